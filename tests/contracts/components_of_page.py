"""The components of the page, and their scripts as a type checker reads them.

``python tests/contracts/components_of_page.py FOLDER`` writes each script there as a module, its
``model`` typed by the parameters that the component declares (``.ci/scripts.sh`` checks them).
"""

import importlib
import pkgutil
import sys
from pathlib import Path

import param
from panel.custom import JSComponent

import app

_TYPES = {
    param.Boolean: "boolean",
    param.Integer: "number",
    param.Number: "number",
    param.String: "string",
    param.List: "any[]",
}
# What Panel gives to a script; and elements by selector are what the script knows them to be.
_OF_PANEL = """
interface Panel<Name extends string> {
  on(name: string | string[], act: (event?: any) => void): void
  off(name: string, act: (event?: any) => void): void
  send_msg(message: any): void
  get_child(name: Name): any
}
interface ParentNode {
  querySelector(selectors: string): any
  querySelectorAll(selectors: string): NodeListOf<any>
}
interface Element { closest(selectors: string): any; focus(): void }
interface Node { getRootNode(options?: any): any }
interface Window { diffbioDropped: any[] }
interface Event { composedPath(): any[] }
"""


def components() -> dict[str, type[JSComponent]]:
    """Every component that is declared in ``app``, by its full name."""
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if module.name != "app.main":  # a page, not a module to import
            importlib.import_module(module.name)
    found: list[type[JSComponent]] = []
    waiting = [JSComponent]
    while waiting:
        for child in waiting.pop().__subclasses__():
            waiting.append(child)
            if child.__module__.startswith("app."):
                found.append(child)
    return {f"{c.__module__}.{c.__name__}": c for c in found}


def declared(component: type[JSComponent]) -> dict[str, param.Parameter]:
    """The parameters that it declares itself, beside those that every component has."""
    return {
        name: parameter
        for name, parameter in component.param.objects("existing").items()
        if name != "name" and str(parameter.owner.__module__).startswith("app.")
    }


def typed_script(component: type[JSComponent]) -> str:
    """Its script, with the type of the model that it is rendered with."""
    parameters = declared(component)
    fields = "; ".join(
        f"{name}: {next((t for c, t in _TYPES.items() if isinstance(p, c)), 'any')}"
        for name, p in parameters.items()
    )
    names = " | ".join(f'"{name}"' for name in parameters) or "never"
    given = f"model: Panel<{names}> & {{ {fields} }}, el: any, view: any"
    model = f"/** @param {{{{ {given} }}}} _ */\n"
    rendered = "export function render({"
    return component._esm.replace(rendered, model + rendered, 1)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "of_panel.d.ts").write_text(_OF_PANEL, encoding="utf-8")
    for name, component in components().items():
        (folder / f"{name}.js").write_text(typed_script(component), encoding="utf-8")
