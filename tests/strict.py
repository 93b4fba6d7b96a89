"""A decoder as strict as the clients that refuse members which they do not know."""


def check(messages, kind, value, path="$"):
    """Fails where `value` is not of the type, or has a member that it does not know. A type is the name of a message, `[type]`,
    `{"": type}` for a map, `"uint64"` for protobuf's 64-bit numbers in JSON, `(type, None)` for what may be null, or a class."""
    if isinstance(kind, tuple):
        assert value is None or check(messages, kind[0], value, path) is None
    elif kind == "uint64":
        assert isinstance(value, str) and int(value) >= 0, f"{path}: {value!r}"
    elif isinstance(kind, list):
        assert isinstance(value, list), f"{path}: {value!r}"
        for place, item in enumerate(value):
            check(messages, kind[0], item, f"{path}[{place}]")
    elif isinstance(kind, dict):
        for name, item in value.items():
            check(messages, kind[""], item, f"{path}.{name}")
    elif isinstance(kind, str):
        assert isinstance(value, dict), f"{path}: {value!r} is no {kind}"
        for name, member in value.items():
            assert name in messages[kind], f"{path}: {kind} has no member {name}"
            check(messages, messages[kind][name], member, f"{path}.{name}")
    elif kind is not object:
        is_it = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        assert is_it or (kind is float and isinstance(value, int)), f"{path}: {value!r} is no {kind}"
