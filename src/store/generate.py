#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""generate.py queries.def OUT.h OUT.c SCHEMA.sql... - makes the query bindings.

From queries.def: one struct for what goes into a query, one for what comes out
of it, and a function that binds by name; the SQL text for each engine with its
parameters numbered as that engine wants them. From the schema files: the text
of each numbered migration. Errors name file and line and end with status 1.
"""
import os
import re
import sys

TYPES = {  # C type, bind, column
    "u8": ("uint8_t", "u64", "uint", "UINT8_MAX"),
    "u16": ("uint16_t", "u64", "uint", "UINT16_MAX"),
    "u32": ("uint32_t", "u64", "uint", "UINT32_MAX"),
    "u64": ("uint64_t", "u64", "uint", "INT64_MAX"),
    "i64": ("int64_t", "i64", "i64", None),
    "bool": ("bool", "u64", "uint", "1"),
    "id": ("struct id", "id", "id", None),
    "text": ("struct slice", "text", "bytes", None),
    "blob": ("struct slice", "blob", "bytes", None),
}
ENGINES = ["sqlite", "postgres"]


class Query:
    def __init__(self, name, shape, line):
        self.name, self.shape, self.line = name, shape, line
        self.ins, self.outs, self.sql = [], [], {}


def die(line, text):
    sys.exit(f"{sys.argv[1]}:{line}: {text}")


def parse_fields(no, text):
    fields = []
    for part in text.split(","):
        words = part.split()
        if len(words) != 2 or words[1] not in TYPES:
            die(no, f"want NAME TYPE, not '{part.strip()}'")
        if words[0] in [f[0] for f in fields]:
            die(no, f"'{words[0]}' stands here twice")
        fields.append((words[0], words[1]))
    return fields


def parse(path):
    queries, key = [], None
    for no, line in enumerate(open(path), 1):
        line = line.split("#")[0].rstrip()
        if not line:
            continue
        words = line.split(None, 1)
        if line[0] != " ":
            w = line.split()
            if len(w) != 3 or w[0] != "query" or w[2] not in ("exec", "one", "many"):
                die(no, "want: query NAME exec|one|many")
            if w[1] in [q.name for q in queries]:
                die(no, f"there is a '{w[1]}' already")
            queries.append(Query(w[1], w[2], no))
            key = None
        elif not queries:
            die(no, "before the first query")
        elif line.startswith("      ") and key:
            queries[-1].sql[key] += " " + line.strip()
        elif words[0] in ("in", "out") and len(words) == 2:
            getattr(queries[-1], words[0] + "s").extend(parse_fields(no, words[1]))
            key = None
        elif words[0] in ["sql"] + ENGINES and len(words) == 2:
            key = "sqlite" if words[0] == "sql" else words[0]
            queries[-1].sql[key] = words[1]
        else:
            die(no, "not understood")
    return queries


def numbered(q, engine):
    """The SQL of an engine, with :name as ?N or $N; all names are known and used."""
    text = q.sql.get(engine, q.sql.get("sqlite"))
    if text is None:
        die(q.line, f"'{q.name}' has no SQL")
    names, used = [f[0] for f in q.ins], set()

    def number(match):
        if match[1] not in names:
            die(q.line, f"'{q.name}': :{match[1]} is no input")
        used.add(match[1])
        return ("?" if engine == "sqlite" else "$") + str(names.index(match[1]) + 1)

    text = re.sub(r"(?<![:\w]):([a-z_0-9]+)", number, text)
    if used != set(names):
        die(q.line, f"'{q.name}': unused: {', '.join(sorted(set(names) - used))}")
    return text


def check(q):
    if (q.shape == "exec") == bool(q.outs):
        die(q.line, f"'{q.name}': exec has no out, the others have one")


def c_string(text):
    return '"' + text.replace(chr(92), chr(92) * 2).replace('"', chr(92) + '"').replace(chr(10), chr(92) + 'n').replace(chr(9), ' ') + '"'


def struct(name, fields):
    rows = "".join(f"\t{TYPES[t][0]} {n};\n" for n, t in fields) or "\tuint8_t nothing;\n"
    return f"struct {name} {{\n{rows}}};\n"


def protos(q):
    head = f"int q_{q.name}"
    take = f"struct db *db, const struct q_{q.name}_in *in"
    if q.shape == "exec":
        return [f"{head}({take})"]
    if q.shape == "one":
        return [f"{head}({take},\n    struct q_{q.name} *ret)"]
    return [f"{head}_open({take},\n    struct db_rows *ret)",
            f"{head}_next(struct db_rows *rows, struct q_{q.name} *ret)"]


def bind(q):
    out = ["\t(void)in;\n"] if not q.ins else []
    for i, (name, kind) in enumerate(q.ins, 1):
        at = f"&in->{name}" if kind == "id" else f"in->{name}"
        out.append(f"\tdb_bind_{TYPES[kind][1]}(st, {i}, {at});\n")
    return "".join(out)


def take(q, st, keep):
    out = []
    for i, (name, kind) in enumerate(q.outs):
        ctype, _, get, top = TYPES[kind]
        if get == "uint":
            out.append(f"\tret->{name} = ({ctype})db_column_uint({st}, {i}, {top});\n")
        elif get == "i64":
            out.append(f"\tret->{name} = db_column_i64({st}, {i});\n")
        elif get == "id":
            out.append(f"\tdb_column_id({st}, {i}, &ret->{name});\n")
        else:
            out.append(f"\tret->{name} = db_column_{keep}({st}, {i});\n")
    return "".join(out)


def body(q):
    start = (f"{{\n\tstruct db_stmt *st;\n\tint r = db_start(db, Q_{q.name.upper()}, &st);\n\n"
             f"\tif (r != 0)\n\t\treturn r;\n{bind(q)}")
    p = protos(q)
    sig = [x.replace("int ", "int\n", 1) + "\n" for x in p]
    if q.shape == "exec":
        return sig[0] + start + "\treturn db_exec(st);\n}\n\n"
    if q.shape == "one":
        return (sig[0] + start + "\tr = db_step(st);\n\tif (r != 0)\n\t\treturn db_end(st, r);\n" +
                take(q, "st", "kept") + "\treturn db_end(st, 0);\n}\n\n")
    return (sig[0] + start + "\tret->st = st;\n\treturn 0;\n}\n\n" + sig[1] +
            "{\n\tint r = db_step(rows->st);\n\n\tif (r != 0)\n\t\treturn r;\n" +
            take(q, "rows->st", "bytes") + "\treturn db_row_check(rows->st);\n}\n\n")


def migrations(paths):
    out = []
    for path in paths:
        name = os.path.basename(path)
        lines = [l.split("--")[0].rstrip() for l in open(path)]
        text = "\n".join("\t    " + c_string(l + "\n") for l in lines if l) or '\t    ""'
        out.append((name, text))
    return out


def main():
    queries_path, out_h, out_c = sys.argv[1:4]
    queries = parse(queries_path)
    h = ["/* Generated from queries.def by generate.py; do not edit. */\n"
         "#ifndef STORE_QUERIES_H\n#define STORE_QUERIES_H\n\n#include \"store/db.h\"\n\nenum {\n"]
    h += [f"\tQ_{q.name.upper()},\n" for q in queries] + ["\tQ_N_QUERIES\n};\n\n"]
    c = ["/* Generated from queries.def by generate.py; do not edit. */\n#include \"store/queries.h\"\n\n",
         "const struct db_query db_queries[] = {\n"]
    for q in queries:
        check(q)
        texts = [numbered(q, e) for e in ENGINES]
        c.append(f"\t[Q_{q.name.upper()}] = {{ \"{q.name}\", {{ {c_string(texts[0])},\n"
                 f"\t    {c_string(texts[1])} }}, {len(q.ins)}, {len(q.outs)},\n"
                 f"\t    {'true' if q.shape == 'many' else 'false'} }},\n")
        h.append(f"/* {q.shape} */\n" + struct(f"q_{q.name}_in", q.ins))
        if q.outs:
            h.append(struct(f"q_{q.name}", q.outs))
        h += [p + ";\n" for p in protos(q)] + ["\n"]
    c.append("};\nconst unsigned db_n_queries = Q_N_QUERIES;\n\n")
    c.append("const struct db_migration db_migrations[] = {\n")
    plain = []
    for name, text in migrations(sys.argv[4:]):
        if re.fullmatch(r"\d{3}\.sql", name):
            c.append(f"\t{{ {int(name[:3])},\n{text} }},\n")
        else:
            plain.append((name, text))
    c.append("\t{ 0, NULL }\n};\n\n")
    for name, text in plain:
        c.append(f"const char *const db_schema_{name.split('.')[0]} =\n{text};\n\n")
        h.append(f"extern const char *const db_schema_{name.split('.')[0]};\n")
    c += [body(q) for q in queries]
    h.append("\n#endif\n")
    open(out_h, "w").write("".join(h))
    open(out_c, "w").write("".join(c))


if __name__ == "__main__":
    main()
