"""Another workbench on the same host puts its cookies beside this one's."""

from app.access.cookies import cookie_of


def test_cookies_of_another_workbench_on_the_host_change_nothing_here(lab):
    theirs = {cookie_of(what, "another"): "2|1:0|x" for what in ("user", "login", "_xsrf")}
    theirs |= {"user": "ada", "login": "x", "_xsrf": "2|0|0|0"}  # of one before this version
    ada = lab.visitor("ada", again=True)
    ada.cookies |= theirs
    assert ada.ask("/app").status == 200
    own = cookie_of("_xsrf", (lab.data / ".cookie-secret").read_text())
    assert ada.ask("/logout", "POST", {"_xsrf": ada.cookies[own]}).status == 303
    assert ada.ask("/app").status == 302
    nobody = lab.visitor()
    nobody.cookies |= theirs
    nobody.ask("/login")
    form = {"_xsrf": nobody.cookies[own], "username": "ada", "password": "analytical engine"}
    assert nobody.ask("/login", "POST", form).status == 303
    assert nobody.ask("/app").status == 200
