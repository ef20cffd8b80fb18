"""The file of people, the command that makes it, and how often one may try."""

import io
import json
import os
import socket
import stat
import sys

import pytest

from app import app_hooks
from app.access.attempts import Attempts
from app.login import People, hash_of, main, read_people
from app.serve import kept_secret, prepared
from app.serve import main as serve
from app.server import lazy_start
from app.server.lazy_start import could_not_open
from app.server.open_tab import _owner
from diffbio_engine.errors import DataError, UserError


@pytest.fixture
def say(monkeypatch):
    """Runs the command with a password at its standard input."""

    def run(*words, password="a good long password"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(password + "\n"))
        return main([*words])

    return run


def test_the_command_makes_a_file_that_only_this_account_reads(tmp_path, say, capsys):
    file = tmp_path / "users.json"
    assert say("add", "ada", "--file", str(file)) == 0
    assert say("add", "bob", "--file", str(file), password="another password") == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "password" not in file.read_text()
    people = People(file)
    assert people.are("ada", "a good long password") and people.are("bob", "another password")
    assert not people.are("ada", "another password") and not people.are("eve", "")
    assert say("remove", "bob", "--file", str(file)) == 0
    assert not people.are("bob", "another password") and people.are("ada", "a good long password")
    say("list", "--file", str(file))
    assert capsys.readouterr().out.endswith("ada\n")


def test_two_people_with_one_password_have_two_hashes():
    assert hash_of("the same password") != hash_of("the same password")


@pytest.mark.parametrize("name", ["local", "Guest", "", " ada", "a\nb", "x" * 65, "default_user"])
def test_a_name_that_means_nobody_is_refused(tmp_path, say, capsys, name):
    assert say("add", name, "--file", str(tmp_path / "users.json")) == 1
    assert not (tmp_path / "users.json").exists()


def test_a_short_password_is_refused_in_words(tmp_path, say, capsys):
    assert say("add", "ada", "--file", str(tmp_path / "users.json"), password="short") == 1
    assert "at least 8" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content, said",
    [
        (None, "is not there"),
        ("", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("{}", "names nobody"),
        ('["ada"]', "names nobody"),
        ('{"ada": "analytical"}', "plain text"),
        ('{"ada": 7}', "plain text"),
        ('{"ada": "scrypt$16384$8$5$short$short"}', "plain text"),
        ('{"ada": "scrypt$99999999$99$99$AAAAAAAAAAAAAAAAAAAAAA==$' + "A" * 44 + '"}', "plain"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_wrong_file_of_people_is_refused_with_the_way_out(tmp_path, content, said):
    file = tmp_path / "users.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(DataError, match=said) as refused:
        People(file)
    assert "python -m app.login" in refused.value.fix


def test_who_is_removed_is_out_also_the_last_one_and_may_come_back(tmp_path, say, caplog):
    file = tmp_path / "users.json"
    say("add", "ada", "--file", str(file))
    people = People(file)
    assert people.mark("ada")
    assert say("remove", "ada", "--file", str(file)) == 0
    assert not people.mark("ada") and "nobody is admitted" in caplog.text
    assert say("add", "ada", "--file", str(file)) == 0
    assert people.mark("ada")


@pytest.mark.parametrize("closed", [True, False])
def test_a_file_of_people_that_is_gone_or_closed_admits_nobody(tmp_path, say, caplog, closed):
    file = tmp_path / "users.json"
    say("add", "ada", "--file", str(file))
    people, kept = People(file), file.read_text()
    file.unlink()
    if closed:
        file.mkdir()  # cannot be read, whoever runs the test
    assert not people.mark("ada") and not people.mark("ada")
    assert caplog.text.count("Nobody is admitted") == 1
    if closed:
        file.rmdir()
    file.write_text(kept)
    assert people.mark("ada")


def test_a_change_keeps_who_may_read_the_file_of_people_and_a_link_to_it(tmp_path, say):
    file, link = tmp_path / "users.json", tmp_path / "link.json"
    say("add", "ada", "--file", str(file))
    link.symlink_to(file)
    file.chmod(0o640)
    if os.getuid() == 0:
        os.chown(file, 12345, 12346)
    before = file.stat()
    say("add", "bob", "--file", str(link))
    after = file.stat()
    assert link.is_symlink() and read_people(file).keys() == {"ada", "bob"}
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode, before.st_uid, before.st_gid,
    )  # fmt: skip


def test_plain_passwords_are_replaced_by_hashes_in_place(tmp_path, say):
    file = tmp_path / "users.json"
    file.write_text(json.dumps({"ada": "analytical", "bob": hash_of("difference engine")}))
    assert say("protect", "--file", str(file)) == 0
    people = People(file)
    assert people.are("ada", "analytical") and people.are("bob", "difference engine")
    assert all(kept.startswith("scrypt$") for kept in read_people(file).values())


def test_a_wrong_login_or_data_folder_stops_the_start_in_words(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("os.umask", lambda mask: 0)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LOGIN", str(tmp_path / "usres.json"))
    assert serve(["app"]) == 2
    assert "was not started. The file of people" in capsys.readouterr().err
    monkeypatch.setenv("LOGIN", "")
    monkeypatch.setenv("DATA_DIR", "/proc/diffbio")
    assert serve(["app"]) == 2
    assert "cannot be written by the server's account" in capsys.readouterr().err


def test_a_port_that_another_has_stops_the_start_in_words(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("os.umask", lambda mask: 0)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LOGIN", "")
    monkeypatch.setenv("GREETING", "The workbench: here")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serve(["app", "--address", "127.0.0.1", "--port", str(port)]) == 2
    said = capsys.readouterr()
    assert f"Nothing can listen on port {port} of 127.0.0.1" in said.err and not said.out


def test_plain_panel_serve_is_warned_of_and_closes_the_data_folder(tmp_path, monkeypatch, capsys):
    masks = []
    monkeypatch.setattr("os.umask", masks.append)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir(mode=0o755)
    monkeypatch.setattr(lazy_start, "begin", lambda: None)
    app_hooks.on_server_loaded(None)
    assert "Start it by `python -m app.serve app`" in capsys.readouterr().err
    assert masks == [0o077] and stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    monkeypatch.setattr(lazy_start, "is_guarded", True)
    app_hooks.on_server_loaded(None)
    assert not capsys.readouterr().err


def test_where_people_sign_in_a_server_that_does_not_ask_them_says_so_on_the_page(monkeypatch):
    monkeypatch.setenv("LOGIN", "users.json")
    with pytest.raises(UserError, match="does not ask them") as refused:
        _owner(None)
    assert "python -m app.serve app" in refused.value.fix


@pytest.mark.parametrize("name", ["QUOTA_GB", "TRASH_DAYS", "READ_SECONDS", "READ_MEMORY_GB"])
def test_a_mistyped_limit_stops_the_start_in_words(tmp_path, monkeypatch, capsys, name):
    monkeypatch.setattr("os.umask", lambda mask: 0)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LOGIN", "")
    monkeypatch.setenv(name, "10GB")
    assert serve(["app"]) == 2
    assert f"was not started. {name}=10GB is no number" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error, said",
    [
        (DataError("The disk is gone.", fix="Mount it."), "The disk is gone. Mount it."),
        (FileNotFoundError(2, "No such file or directory", "/data/x"), "DATA_DIR"),
        (ValueError("a <b>fault</b> in /data/secret"), "look at its log"),
    ],
)
def test_a_page_that_cannot_be_opened_says_one_sentence(error, said):
    shown = could_not_open(error).object
    assert said in shown and "<b>" not in shown and "/data" not in shown


def test_the_data_folder_and_the_secret_are_for_this_account_alone(tmp_path):
    (tmp_path / "data").mkdir(mode=0o755)
    folder = prepared(tmp_path / "data")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    secret = kept_secret(folder)
    assert len(secret) == 64 and kept_secret(folder) == secret
    (folder / ".cookie-secret").write_text("")
    assert len(kept_secret(folder)) == 64


class Clock:
    """Time that a test moves."""

    now = 0.0

    def __call__(self):
        return self.now


def test_failed_attempts_wait_ever_longer_and_are_forgotten_in_time():
    clock = Clock()
    attempts = Attempts(clock)
    waits = []
    for _ in range(10):
        clock.now += attempts.wait("ada", "10.0.0.1")
        attempts.failed("ada", "10.0.0.1")
        waits.append(attempts.wait("ada", "10.0.0.1"))
    assert waits == [0, 0, 0, 0, 2, 4, 8, 16, 32, 64]
    assert attempts.wait("ada", "10.0.0.2") == 0
    clock.now += 4000
    assert attempts.wait("ada", "10.0.0.1") == 0
    attempts.failed("ada", "10.0.0.1")
    assert attempts.wait("ada", "10.0.0.1") == 0


def test_one_address_does_not_try_all_names_nor_all_addresses_one_name():
    attempts = Attempts(Clock())
    for n in range(25):
        attempts.failed(f"name{n}", "2001:db8::1")
    assert attempts.wait("ada", "2001:db8::2") > 0  # the same network
    assert attempts.wait("ada", "2001:db8:1::2") == 0
    assert attempts.wait("ada", "::ffff:10.0.0.1") == 0
    for n in range(60):
        attempts.failed("bob", f"10.0.{n}.1")
    assert 0 < attempts.wait("bob", "10.1.1.1") <= 60


def test_a_stranger_at_the_same_address_or_with_the_same_name_keeps_nobody_out():
    attempts = Attempts(Clock())
    for n in range(100):
        attempts.failed(f"name{n}", "10.0.0.1")
        attempts.failed("ada", f"10.1.{n}.1")
    assert 0 < attempts.wait("bob", "10.0.0.1") <= 60
    assert 0 < attempts.wait("ada", "10.0.0.2") <= 60
    assert attempts.wait("ada", "10.0.0.1", known=True) == 0
    for _ in range(9):
        attempts.failed("ada", "10.0.0.1")
    assert attempts.wait("ada", "10.0.0.1", known=True) > 0


def test_who_signs_in_often_waits_never():
    attempts = Attempts(Clock())
    for _ in range(200):
        assert attempts.wait("ada", "10.0.0.1") == 0
        attempts.failed("ada", "10.0.0.1")
        attempts.succeeded("ada", "10.0.0.1")


def test_attempts_take_bounded_memory():
    attempts = Attempts(Clock())
    for n in range(30_000):
        attempts.failed(f"name{n}", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert len(attempts._kept) <= 20_000
