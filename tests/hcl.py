"""Terraform's configurations read: what they declare, what refers to what, and what an expression comes to.

Of the language there is what examples/terraform needs; anything else is an error, not a guess. No `for` expressions,
splats, heredocs, arithmetic or dynamic blocks.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import hcl2

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)|(?P<mark>==|!=|&&|\|\||[\[\](){}.,:=?!])|(?P<quote>\"))"
)


_KINDS: Final = {"terraform", "provider", "variable", "locals", "resource", "data", "module", "output", "import"}


class Unknown(ValueError):
    """Something of the language that is not read here, or a name that nothing has."""


@dataclass(frozen=True)
class Literal:
    """A text, a number, a truth value or null."""

    value: Any


@dataclass(frozen=True)
class Template:
    """A text with expressions in it."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True)
class Items:
    """`[a, b]`."""

    items: tuple["Expression", ...]


@dataclass(frozen=True)
class Object:
    """`{ key = value }`."""

    pairs: tuple[tuple[str, "Expression"], ...]


@dataclass(frozen=True)
class Name:
    """What a reference begins with."""

    name: str


@dataclass(frozen=True)
class Get:
    """`of.key` or `of[key]`."""

    of: "Expression"
    key: "Expression"


@dataclass(frozen=True)
class Call:
    """`function(a, b)`."""

    function: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True)
class Choice:
    """`condition ? yes : no`."""

    condition: "Expression"
    yes: "Expression"
    no: "Expression"


@dataclass(frozen=True)
class Equal:
    """`left == right`, or `!=`."""

    left: "Expression"
    right: "Expression"
    negated: bool


Expression = Literal | Template | Items | Object | Name | Get | Call | Choice | Equal


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def whole(self) -> Expression:
        found = self.expression()
        if self._text[self._at :].strip():
            raise Unknown(f"Not read: {self._text[self._at :]!r} of {self._text!r}")
        return found

    def expression(self) -> Expression:
        found = self._value()
        if self._peek() in ("==", "!="):
            found = Equal(left=found, negated=self._next() == "!=", right=self._value())
        if self._peek() == "?":
            self._next()
            yes = self.expression()
            self._expect(":")
            found = Choice(found, yes, self.expression())
        return found

    def _value(self) -> Expression:
        found = self._first()
        while self._peek() in (".", "["):
            if self._next() == ".":
                found = Get(found, Literal(self._next()))
            else:
                found = Get(found, self.expression())
                self._expect("]")
        return found

    def _first(self) -> Expression:
        match self._next():
            case '"':
                return self._template()
            case "[":
                return Items(tuple(self._until("]")))
            case "{":
                return self._object()
            case "(":
                found = self.expression()
                self._expect(")")
                return found
            case "true" | "false" | "null" as word:
                return Literal({"true": True, "false": False, "null": None}[word])
            case word if word[0].isdigit():
                return Literal(float(word) if "." in word else int(word))
            case word if re.fullmatch(r"[A-Za-z_][\w-]*", word):
                if self._peek() != "(":
                    return Name(word)
                self._next()
                return Call(word, tuple(self._until(")")))
            case word:
                raise Unknown(f"{word!r} in {self._text!r}")

    def _until(self, end: str) -> Iterator[Expression]:
        while self._peek() != end:
            yield self.expression()
            if self._peek() == ",":
                self._next()
        self._next()

    def _object(self) -> Object:
        pairs = []
        while self._peek() != "}":
            key = self._next()
            if key == '"':
                template = self._template()
                if not isinstance(template, Literal):
                    raise Unknown(f"A key that is no plain text, in {self._text!r}")
                key = template.value
            if self._next() not in ("=", ":"):
                raise Unknown(f"No value of {key}, in {self._text!r}")
            pairs.append((key, self.expression()))
            if self._peek() == ",":
                self._next()
        self._next()
        return Object(tuple(pairs))

    def _template(self) -> Expression:
        parts: list[Expression] = []
        plain = ""
        while not self._text.startswith('"', self._at):
            if self._at >= len(self._text):
                raise Unknown(f"A text without an end: {self._text!r}")
            if self._text.startswith("${", self._at):
                self._at += 2
                parts += [Literal(plain), self.expression()]
                plain = ""
                self._expect("}")
                continue
            if self._text.startswith("\\", self._at):
                plain += json.loads(f'"{self._text[self._at : self._at + 2]}"')
                self._at += 2
                continue
            plain += self._text[self._at]
            self._at += 1
        self._at += 1
        if not parts:
            return Literal(plain)
        return Template(tuple(part for part in (*parts, Literal(plain)) if part != Literal("")))

    def _peek(self) -> str:
        found = _TOKEN.match(self._text, self._at)
        return (found[0].strip()) if found else ""

    def _next(self) -> str:
        found = _TOKEN.match(self._text, self._at)
        if not found:
            raise Unknown(f"Not read: {self._text[self._at :]!r} of {self._text!r}")
        self._at = found.end()
        return found[0].strip()

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise Unknown(f"No {token} where one should be, in {self._text!r}")


def parsed(value: Any) -> Expression:
    """Return a value of python-hcl2's as an expression."""
    if isinstance(value, str):
        wrapped = value.startswith("${") and value.endswith("}")
        return _Parser(value[2:-1] if wrapped else value).whole()
    if isinstance(value, list):
        return Items(tuple(parsed(each) for each in value))
    if isinstance(value, dict):
        return Object(tuple((unquoted(key), parsed(each)) for key, each in _own(value).items()))
    return Literal(value)


def unquoted(name: str) -> str:
    """Return a label or a key without the quotes that python-hcl2 leaves on it."""
    return name.removeprefix('"').removesuffix('"')


def _own(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key not in ("__is_block__", "__comments__")}


@dataclass(frozen=True)
class Block:
    """A resource, a data source, a module's call: its arguments and the blocks in it, by name."""

    address: str
    arguments: Mapping[str, Expression]
    blocks: Mapping[str, "list[Block]"] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The type of a resource or a data source, or `module`."""
        return self.address.removeprefix("data.").partition(".")[0]

    def references(self) -> Iterator[tuple[str, ...]]:
        for each in self.arguments.values():
            yield from references(each)
        for blocks in self.blocks.values():
            for block in blocks:
                yield from block.references()


@dataclass(frozen=True)
class Module:
    """A folder of files: what is declared in it, by address or name."""

    folder: Path
    blocks: Mapping[str, Block]
    variables: Mapping[str, Block]
    locals: Mapping[str, Expression]
    outputs: Mapping[str, Block]
    imports: tuple[Block, ...]
    providers: Mapping[str, Block]
    """By alias; that without one as the empty text."""

    def child(self, call: Block) -> "Module":
        """Return the module that a call calls."""
        source = call.arguments["source"]
        if not isinstance(source, Literal):
            raise Unknown("A module's source is a plain text")
        return read(self.folder / source.value)


def read(folder: Path) -> Module:
    """Read a folder's files.

    Raises:
        Unknown: with something that is not read here.
    """
    declared = [
        (kind, body)
        for file in sorted(folder.glob("*.tf"))
        for kind, bodies in _own(hcl2.loads(file.read_text())).items()
        for body in bodies
    ]
    unknown = {kind for kind, _ in declared} - _KINDS
    if unknown:
        raise Unknown(f"{', '.join(unknown)} in {folder}")

    def of(kind: str) -> list[Mapping[str, Any]]:
        return [body for each, body in declared if each == kind]

    blocks = [
        _block(f"{prefix}{unquoted(type_)}.{unquoted(name)}", inner)
        for kind, prefix in (("resource", ""), ("data", "data."))
        for body in of(kind)
        for type_, named in body.items()
        for name, inner in named.items()
    ]
    blocks += [_block(f"module.{unquoted(name)}", inner) for body in of("module") for name, inner in body.items()]
    # A variable's type is a language of its own.
    variables = {
        unquoted(name): _block(f"variable.{unquoted(name)}", {key: inner[key] for key in inner if key != "type"})
        for body in of("variable")
        for name, inner in body.items()
    }
    outputs = {
        unquoted(name): _block(f"output.{unquoted(name)}", inner)
        for body in of("output")
        for name, inner in body.items()
    }
    providers = [_block("provider", inner) for body in of("provider") for inner in body.values()]
    return Module(
        folder,
        {block.address: block for block in blocks},
        variables,
        {name: parsed(value) for body in of("locals") for name, value in _own(body).items()},
        outputs,
        tuple(_block("import", body) for body in of("import")),
        {str(evaluate(each.arguments.get("alias", Literal("")), {})): each for each in providers},
    )


def read_variables(file: Path) -> dict[str, Any]:
    """Read the values of a .tfvars file."""
    return {name: evaluate(parsed(value), {}) for name, value in _own(hcl2.loads(file.read_text())).items()}


def _block(address: str, body: Mapping[str, Any]) -> Block:
    arguments, blocks = {}, {}
    for key, value in _own(body).items():
        if (
            isinstance(value, list)
            and value
            and all(isinstance(each, dict) and "__is_block__" in each for each in value)
        ):
            blocks[key] = [_block(key, each) for each in value]
        else:
            arguments[key] = parsed(value)
    return Block(address, arguments, blocks)


def references(expression: Expression) -> Iterator[tuple[str, ...]]:
    """Yield what an expression refers to, as the steps that lead there, the outermost first; a computed step is `*`."""
    inside: tuple[Expression, ...] = ()
    match expression:
        case Name() | Get():
            yield from _from_steps(expression)
        case Template(parts) | Items(parts) | Call(_, parts):
            inside = parts
        case Object(pairs):
            inside = tuple(value for _, value in pairs)
        case Choice(condition, yes, no):
            inside = (condition, yes, no)
        case Equal(left, right, _):
            inside = (left, right)
    for part in inside:
        yield from references(part)


def _from_steps(expression: Name | Get) -> Iterator[tuple[str, ...]]:
    steps: list[str] = []
    computed: list[Expression] = []
    inner: Expression = expression
    while isinstance(inner, Get):
        steps.insert(0, str(inner.key.value) if isinstance(inner.key, Literal) else "*")
        if not isinstance(inner.key, Literal):
            computed.append(inner.key)
        inner = inner.of
    if isinstance(inner, Name):
        yield (inner.name, *steps)
    else:
        yield from references(inner)
    for key in computed:
        yield from references(key)


def address_of(reference: tuple[str, ...]) -> str:
    """Return the address of the resource, data source or module that a reference leads to; an empty text for others."""
    match reference:
        case ("var" | "local" | "each" | "path" | "self" | "terraform", *_):
            return ""
        case ("data", type_, name, *_):
            return f"data.{type_}.{name}"
        case ("module", name, *_):
            return f"module.{name}"
        case (type_, name, *_):
            return f"{type_}.{name}"
    return ""


def evaluate(expression: Expression, names: Mapping[str, Any]) -> Any:  # noqa: C901  # a case for each kind
    """Return what an expression comes to.

    Args:
        expression: read by `parsed`.
        names: what each name that it begins with stands for, such as `var`.

    Raises:
        Unknown: a name that nothing has, or a function that is not known here.
    """

    def of(each: Expression) -> Any:
        return evaluate(each, names)

    match expression:
        case Literal(value):
            return value
        case Template(parts):
            return "".join(_text(of(part)) for part in parts)
        case Items(items):
            return [of(each) for each in items]
        case Object(pairs):
            return {key: of(each) for key, each in pairs}
        case Name(name):
            if name not in names:
                raise Unknown(f"There is no {name}")
            return names[name]
        case Get(inner, key):
            value, step = of(inner), of(key)
            try:
                return value[step]
            except (KeyError, IndexError, TypeError):
                raise Unknown(f"There is no {step} in {inner}") from None
        case Choice(condition, yes, no):
            return of(yes) if of(condition) else of(no)
        case Equal(left, right, negated):
            return (of(left) == of(right)) != negated
        case Call(function, arguments):
            if function not in _FUNCTIONS:
                raise Unknown(f"The function {function}")
            return _FUNCTIONS[function](*(of(each) for each in arguments))


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


_FUNCTIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "file": lambda name: Path(name).read_text(),
    "jsondecode": json.loads,
    "jsonencode": json.dumps,
    "toset": sorted,
}
