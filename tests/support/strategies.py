"""What may come in from outside, for hypothesis: text, JSON and numbers of every kind."""

from hypothesis import strategies as st

CHARACTERS = st.characters(exclude_categories=())  # JSON can carry half of a surrogate pair
TEXT = st.text(CHARACTERS, max_size=40)
HUGE = st.sampled_from(["x" * 100_000, "ü" * 5000, "\\" * 3000, '"' * 3000, "\x00" * 1000, "💥" * 2000, " " * 9999])


def nested(depth: int) -> object:
    value: object = "deep"
    for level in range(depth):
        value = [value] if level % 2 else {"in": value}
    return value


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**30), float("nan"), float("inf"), -0.0, 1e308]),
    st.floats(),
    TEXT,
)
JSON = st.one_of(
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
    ),
    HUGE,
    st.sampled_from([10, 100, 300]).map(nested),
)
NUMBERS = st.one_of(
    st.integers(-5, 4000),
    st.integers(-5, 4000).map(str),
    st.floats(-5, 4000).map(str),
    st.sampled_from(["0", "00030", "1e2", "0x10", "\u0661\u0662", "\uff13\uff10", "1_000", " 30 ", "30\n"]),
    st.sampled_from(["-0", "+5", "NaN", "inf", "", "1" * 5000]),
)
