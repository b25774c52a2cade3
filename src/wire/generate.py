#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""generate.py messages.def limits.h OUT.h OUT.c SAMPLES.h - makes the wire codec.

From the schema: enum, structs, encoders, total decoders (sizes known, counts
capped, trailing bytes refused), the table of who may send what to whom, one
struct of handlers and one dispatcher for each role, a fuzz entry that goes
through all decoders, and a sample of each message for the tests. Errors name file and line and end with status 1.
"""
import re
import sys

INTS = {"u8": ("uint8_t", 1), "u16": ("uint16_t", 2), "u32": ("uint32_t", 4),
        "u64": ("uint64_t", 8), "i64": ("int64_t", 8), "bool": ("bool", 1)}
ROLES = "mx user local control store courier resolver keeper supervisor hook fetcher sorter".split()


class Field:
    def __init__(self, name, kind, of, cap):
        self.name, self.kind, self.of, self.cap = name, kind, of, cap


class Message:
    def __init__(self, name, senders, receivers, has_fd):
        self.name, self.senders, self.receivers = name, senders, receivers
        self.has_fd, self.fields = has_fd, []


def die(line_no, text):
    sys.exit(f"{sys.argv[1]}:{line_no}: {text}")


def parse(path):
    records, messages, current = {}, [], None
    for no, line in enumerate(open(path), 1):
        line = line.split("#")[0].rstrip()
        if not line:
            continue
        words = line.split()
        if words[0] == "record" and len(words) == 2:
            current = Message(words[1], [], [], False)
            records[words[1]] = current
        elif words[0] == "message" and len(words) in (3, 4):
            ends = words[2].split(">")
            if len(ends) != 2:
                die(no, "want FROM>TO")
            senders, receivers = (e.split(",") for e in ends)
            for role in senders + receivers:
                if role not in ROLES:
                    die(no, f"no such role: {role}")
            current = Message(words[1], senders, receivers, words[3:] == ["+fd"])
            messages.append(current)
        elif line[0] == " " and current is not None:
            current.fields.append(parse_field(no, words, records))
        else:
            die(no, "not understood")
    return records, messages


def parse_field(no, words, records):
    name, kind = words[0], words[1]
    if kind in INTS or kind == "id":
        return Field(name, kind, None, None)
    if kind in ("text", "text8", "bytes") and len(words) == 3:
        return Field(name, kind, None, int(words[2]))
    if kind == "list" and len(words) == 4 and words[2] in records:
        return Field(name, kind, words[2], int(words[3]))
    if kind in records:
        return Field(name, "record", kind, None)
    die(no, f"no such type: {' '.join(words[1:])}")


def max_size(fields, records):
    total = 0
    for f in fields:
        if f.kind in INTS:
            total += INTS[f.kind][1]
        elif f.kind == "id":
            total += 16
        elif f.kind == "record":
            total += max_size(records[f.of].fields, records)
        elif f.kind == "list":
            total += 4 + f.cap * max_size(records[f.of].fields, records)
        else:
            total += 4 + f.cap
    return total


def c_type(f):
    if f.kind in INTS:
        return INTS[f.kind][0]
    return {"id": "struct id", "record": f"struct wire_{f.of}",
            "list": "struct wire_list"}.get(f.kind, "struct slice")


def comment(f):
    if f.kind in ("text", "text8", "bytes"):
        return f" /* <= {f.cap} */"
    if f.kind == "list":
        return f" /* of wire_{f.of}, <= {f.cap} */"
    return ""


def struct(name, fields):
    body = "".join(f"\t{c_type(f)} {f.name};{comment(f)}\n" for f in fields)
    return f"struct wire_{name} {{\n{body or chr(9) + 'uint8_t nothing;' + chr(10)}}};\n"


def encode_field(f):
    at = f"m->{f.name}"
    if f.kind in INTS:
        return f"put_{f.kind}(e, {at});"
    if f.kind == "id":
        return f"put_raw(e, id_slice(&{at}));"
    if f.kind == "record":
        return f"encode_{f.of}(e, &{at});"
    if f.kind == "list":
        return f"put_list(e, &{at}, {f.cap});"
    return f"put_slice(e, {at}, {f.cap});"


def decode_field(f):
    at = f"m->{f.name}"
    if f.kind in INTS:
        return f"take_{f.kind}(d, &{at})"
    if f.kind == "id":
        return f"take_id(d, &{at})"
    if f.kind == "record":
        return f"decode_{f.of}(d, &{at})"
    if f.kind == "list":
        return f"take_list_{f.of}(d, {f.cap}, &{at})"
    return f"take_{'text' if f.kind == 'text' else 'bytes'}(d, {f.cap}, &{at})"


def codec(name, fields):
    enc = "".join(f"\t{encode_field(f)}\n" for f in fields)
    dec = " &&\n\t    ".join(decode_field(f) for f in fields) or "true"
    unused = "" if fields else "\t(void)m;\n"
    unused_e = "" if fields else "\t(void)e;\n\t(void)m;\n"
    unused_d = "" if fields else "\t(void)d;\n\t(void)m;\n"
    del unused
    return (f"static void\nencode_{name}(struct encoder *e, const struct wire_{name} *m)\n{{\n{unused_e}{enc}}}\n\n"
            f"static bool\ndecode_{name}(struct slice *d, struct wire_{name} *m)\n{{\n{unused_d}\treturn {dec};\n}}\n\n")


def mask(roles):
    return " | ".join(f"1u << WIRE_{r.upper()}" for r in roles)


def handlers(role, messages):
    mine = [m for m in messages if role in m.receivers]
    rows = []
    for m in mine:
        fd = ", int fd" if m.has_fd else ""
        rows.append(f"\tint (*{m.name.lower()})(struct channel *c, const struct wire_head *h,\n"
                    f"\t    const struct wire_{m.name.lower()} *m{fd});\n")
    return mine, f"struct wire_{role}_handlers {{\n{''.join(rows)}}};\n"


HEADER_TOP = '''/* Generated from messages.def by generate.py; do not edit. */
#ifndef WIRE_MESSAGES_H
#define WIRE_MESSAGES_H

#include "base/buf.h"
#include "base/id.h"
#include "base/slice.h"

struct channel;

enum {
\tWIRE_OK,
\tWIRE_E_BAD,    /* not of this type's form, or bytes left over */
\tWIRE_E_SENDER, /* this role may not send that to us */
\tWIRE_E_NOBODY  /* allowed, but the receiver has no handler for it */
};

enum { WIRE_HEAD = 20 };
struct wire_head {
\tuint32_t len; /* of what follows the head */
\tuint16_t type;
\tuint8_t n_fds;
\tuint64_t session;
\tuint32_t ticket;
};

/* Rows as they lie in the frame; walk them with wire_NAME_next. */
struct wire_list {
\tstruct slice raw;
\tuint32_t n;
};

'''

HEADER_FUNCS = '''
void wire_head_encode(const struct wire_head *h, uint8_t at[WIRE_HEAD]);
/* False when it cannot be a head: unknown type, too long, more than one fd. */
bool wire_head_decode(const uint8_t at[WIRE_HEAD], struct wire_head *ret);
bool wire_may_send(enum wire_role from, enum wire_role to, uint16_t type);
const char *wire_name(uint16_t type);
const char *wire_role_name(enum wire_role role);
/* All decoders on the same bytes; a value that never matters. For fuzzing. */
unsigned wire_decode_any(uint16_t type, struct slice payload);
/* Decodes and adds what encoding gives again, which must be the same bytes:
 * there is one form for each value. WIRE_E_BAD as the decoder. For tests. */
int wire_round_trip(uint16_t type, struct slice payload, struct buf *out);
/* A hash of the schema: both ends of a channel are the same build. */
extern const uint32_t wire_schema;

'''

SOURCE_TOP = '''/* Generated from messages.def by generate.py; do not edit. */
#include "wire/messages.h"

#include <endian.h>
#include <string.h>

#include "wire/channel.h"

struct encoder {
\tstruct buf *out;
\tint r;
};

static void
put_raw(struct encoder *e, struct slice s)
{
\tif (e->r == 0)
\t\te->r = buf_add(e->out, s);
}

static void
put_int(struct encoder *e, uint64_t value, size_t n)
{
\tuint8_t at[8];

\tfor (size_t i = 0; i < n; i++)
\t\tat[i] = (uint8_t)(value >> (8 * i));
\tput_raw(e, slice_of(at, n));
}

static inline uint64_t
get_int(const uint8_t *at, size_t n)
{
\tuint64_t value = 0;

\tmemcpy(&value, at, n);
\treturn le64toh(value);
}

/* Rows of lists are read by the ten thousand: with n known, one comparison
 * and one load. */
static inline bool
take_int(struct slice *d, size_t n, uint64_t *ret)
{
\tif (d->len < n)
\t\treturn false;
\t*ret = get_int(d->at, n);
\td->at += n;
\td->len -= n;
\treturn true;
}

/* A field above its cap is our own mistake: the frame is not sent. */
static void
put_slice(struct encoder *e, struct slice s, size_t cap)
{
\tif (s.len > cap) {
\t\te->r = BUF_E_FULL;
\t\treturn;
\t}
\tput_int(e, s.len, 4);
\tput_raw(e, s);
}

static void
put_list(struct encoder *e, const struct wire_list *l, size_t cap)
{
\tif (l->n > cap) {
\t\te->r = BUF_E_FULL;
\t\treturn;
\t}
\tput_int(e, l->n, 4);
\tput_raw(e, l->raw);
}

static inline bool
take_bytes(struct slice *d, size_t cap, struct slice *ret)
{
\tuint64_t n;

\tif (!take_int(d, 4, &n) || n > cap || n > d->len)
\t\treturn false;
\t*ret = (struct slice){ d->at, (size_t)n };
\td->at += n;
\td->len -= n;
\treturn true;
}

static bool
take_text(struct slice *d, size_t cap, struct slice *ret)
{
\treturn take_bytes(d, cap, ret) && slice_is_utf8(*ret);
}

static bool
take_id(struct slice *d, struct id *ret)
{
\tstruct slice part;

\treturn slice_take(d, ID_SIZE, &part) && id_from_slice(part, ret);
}

'''


def int_codecs():
    out = []
    for kind, (ctype, size) in INTS.items():
        out.append(f"static void\nput_{kind}(struct encoder *e, {ctype} v)\n{{\n\tput_int(e, (uint64_t)v, {size});\n}}\n\n")
        check = " && v <= 1" if kind == "bool" else ""
        out.append(f"static bool\ntake_{kind}(struct slice *d, {ctype} *ret)\n{{\n\tuint64_t v;\n\n"
                   f"\tif (!(take_int(d, {size}, &v){check}))\n\t\treturn false;\n\t*ret = ({ctype})v;\n\treturn true;\n}}\n\n")
    return "".join(out)


def unused_guard(text):
    return "#pragma GCC diagnostic push\n#pragma GCC diagnostic ignored \"-Wunused-function\"\n" + text + "#pragma GCC diagnostic pop\n"


def record_list(name):
    return (f"static bool\ntake_list_{name}(struct slice *d, size_t cap, struct wire_list *ret)\n{{\n"
            f"\tstruct wire_list l = {{ 0 }};\n\tstruct wire_{name} row;\n\tstruct slice rest;\n\tuint64_t n;\n\n"
            f"\tif (!take_int(d, 4, &n) || n > cap)\n\t\treturn false;\n\trest = *d;\n"
            f"\tfor (uint64_t i = 0; i < n; i++)\n\t\tif (!decode_{name}(&rest, &row))\n\t\t\treturn false;\n"
            f"\tl.n = (uint32_t)n;\n\tl.raw = slice_upto(*d, d->len - rest.len);\n\t*d = rest;\n\t*ret = l;\n\treturn true;\n}}\n\n"
            f"bool\nwire_{name}_next(struct wire_list *l, struct wire_{name} *ret)\n{{\n"
            f"\tif (l->n == 0 || !decode_{name}(&l->raw, ret))\n\t\treturn false;\n\tl->n--;\n\treturn true;\n}}\n\n"
            f"int\nwire_{name}_add(struct buf *rows, const struct wire_{name} *row)\n{{\n"
            f"\tstruct encoder e = {{ rows, 0 }};\n\tsize_t before = rows->len;\n\n\tencode_{name}(&e, row);\n"
            f"\tif (e.r != 0)\n\t\trows->len = before;\n\treturn e.r;\n}}\n\n")


def send_func(m):
    low = m.name.lower()
    fd = ", int fd" if m.has_fd else ""
    proto = (f"wire_send_{low}(struct channel *c, uint64_t session,\n    uint32_t ticket, const struct wire_{low} *m{fd})")
    arg = "fd" if m.has_fd else "-1"
    body = (f"int\n{proto}\n{{\n\tstruct encoder e = {{ channel_out(c), 0 }};\n\tsize_t at = channel_begin(c);\n\n"
            f"\tencode_{low}(&e, m);\n\treturn channel_end(c, at, WIRE_{m.name}, session, ticket, e.r, {arg});\n}}\n\n")
    return f"int {proto};\n", body


def public_codec(m):
    low = m.name.lower()
    head = (f"int wire_encode_{low}(struct buf *out, const struct wire_{low} *m);\n"
            f"int wire_decode_{low}(struct slice payload, struct wire_{low} *ret);\n")
    body = (f"int\nwire_encode_{low}(struct buf *out, const struct wire_{low} *m)\n{{\n\tstruct encoder e = {{ out, 0 }};\n\n"
            f"\tencode_{low}(&e, m);\n\treturn e.r;\n}}\n\n"
            f"int\nwire_decode_{low}(struct slice payload, struct wire_{low} *ret)\n{{\n\tstruct wire_{low} m = {{ 0 }};\n\n"
            f"\tif (!decode_{low}(&payload, &m) || payload.len != 0)\n\t\treturn WIRE_E_BAD;\n\t*ret = m;\n\treturn WIRE_OK;\n}}\n\n")
    return head, body


def dispatcher(role, mine):
    proto = (f"wire_dispatch_{role}(const struct wire_{role}_handlers *to, struct channel *c,\n"
             f"    enum wire_role from, const struct wire_head *h, struct slice payload, int fd)")
    cases = []
    for m in mine:
        low = m.name.lower()
        fd = ", fd" if m.has_fd else ""
        cases.append(f"\tcase WIRE_{m.name}: {{\n\t\tstruct wire_{low} m;\n\n"
                     f"\t\tif (wire_decode_{low}(payload, &m) != WIRE_OK)\n\t\t\treturn WIRE_E_BAD;\n"
                     f"\t\treturn to->{low} == NULL ? WIRE_E_NOBODY : to->{low}(c, h, &m{fd});\n\t}}\n")
    body = (f"int\n{proto}\n{{\n\tif (!wire_may_send(from, WIRE_{role.upper()}, h->type))\n\t\treturn WIRE_E_SENDER;\n"
            f"\t(void)fd;\n\tswitch (h->type) {{\n{''.join(cases)}\t}}\n\treturn WIRE_E_SENDER;\n}}\n\n")
    return f"int {proto};\n", body


def sample(fields, records, n):
    """Bytes of a message of this form, different in every field."""
    out = b""
    for i, f in enumerate(fields, n):
        if f.kind in INTS:
            size = INTS[f.kind][1]
            out += b"\x01" if f.kind == "bool" else ((0x8001020304050600 + i) % 256 ** size).to_bytes(size, "little")
        elif f.kind == "id":
            out += bytes(range(i, i + 16))
        elif f.kind == "record":
            out += sample(records[f.of].fields, records, i)
        elif f.kind == "list":
            rows = min(f.cap, 3)
            out += rows.to_bytes(4, "little")
            out += b"".join(sample(records[f.of].fields, records, i + r) for r in range(rows))
        else:
            text = ("text \u00e4 %d" % i).encode()[:f.cap]
            if f.kind == "bytes":
                text = b"\x00\xff" + text
            out += len(text).to_bytes(4, "little") + text
    return out


def samples(messages, records):
    rows = []
    for i, m in enumerate(messages, 1):
        data = sample(m.fields, records, i)
        lines = "".join('\n\t    "' + "".join(f"\\x{b:02x}" for b in data[k:k + 16]) + '"' for k in range(0, len(data), 16))
        rows.append(f"\t[WIRE_{m.name}] = {{ (const uint8_t *){lines or ' ' + chr(34) * 2},\n\t    {len(data)} }},\n")
    return ("/* Generated from messages.def by generate.py; do not edit. */\n#include \"wire/messages.h\"\n\n"
            "static const struct slice wire_samples[WIRE_N_TYPES] = {\n" + "".join(rows) + "};\n")


def main():
    schema, limits, out_h, out_c, out_samples = sys.argv[1:]
    records, messages = parse(schema)
    frame = int(eval(re.search(r"LIMIT_FRAME = ([0-9* ]+)", open(limits).read())[1]))
    for m in messages:
        size = max_size(m.fields, records)
        if size > frame:
            sys.exit(f"{schema}: {m.name} may take {size} bytes, more than LIMIT_FRAME")
    h, c = [HEADER_TOP], [SOURCE_TOP, int_codecs()]
    h.append("enum wire_role {\n" + "".join(f"\tWIRE_{r.upper()},\n" for r in ROLES) + "\tWIRE_N_ROLES\n};\n\n")
    h.append("enum wire_type {\n\tWIRE_NONE,\n" + "".join(f"\tWIRE_{m.name},\n" for m in messages) + "\tWIRE_N_TYPES\n};\n\n")
    for name, r in records.items():
        h.append(struct(name, r.fields) + "\n")
        h.append(f"bool wire_{name}_next(struct wire_list *l, struct wire_{name} *ret);\n"
                 f"int wire_{name}_add(struct buf *rows, const struct wire_{name} *row);\n\n")
        c.append(codec(name, r.fields) + record_list(name))
    h.append(HEADER_FUNCS)
    for m in messages:
        low = m.name.lower()
        h.append(f"/* {', '.join(m.senders)} > {', '.join(m.receivers)} */\n" + struct(low, m.fields))
        c.append(codec(low, m.fields))
        for proto, body in (public_codec(m), send_func(m)):
            h.append(proto)
            c.append(body)
        h.append("\n")
    c.append("static const struct {\n\tconst char *name;\n\tunsigned from, to;\n\tbool has_fd;\n} types[WIRE_N_TYPES] = {\n" +
             "".join(f"\t[WIRE_{m.name}] = {{ \"{m.name}\", {mask(m.senders)}, {mask(m.receivers)}, {str(m.has_fd).lower()} }},\n"
                     for m in messages) + "};\n\n")
    c.append("static const char *const role_names[WIRE_N_ROLES] = { " + ", ".join(f'"{r}"' for r in ROLES) + " };\n\n")
    c.append(SOURCE_END % {"frame": frame})
    for role in ROLES:
        mine, text = handlers(role, messages)
        if not mine:
            continue
        h.append(text)
        proto, body = dispatcher(role, mine)
        h.append(proto + "\n")
        c.append(body)
    c.append("unsigned\nwire_decode_any(uint16_t type, struct slice payload)\n{\n\tswitch (type) {\n" + "".join(
        f"\tcase WIRE_{m.name}: {{\n\t\tstruct wire_{m.name.lower()} m;\n\t\treturn (unsigned)wire_decode_{m.name.lower()}(payload, &m);\n\t}}\n"
        for m in messages) + "\t}\n\treturn 99;\n}\n\n")
    c.append("int\nwire_round_trip(uint16_t type, struct slice payload, struct buf *out)\n{\n\tswitch (type) {\n" + "".join(
        f"\tcase WIRE_{m.name}: {{\n\t\tstruct wire_{m.name.lower()} m;\n\n"
        f"\t\tif (wire_decode_{m.name.lower()}(payload, &m) != WIRE_OK)\n\t\t\treturn WIRE_E_BAD;\n"
        f"\t\treturn wire_encode_{m.name.lower()}(out, &m);\n\t}}\n"
        for m in messages) + "\t}\n\treturn WIRE_E_BAD;\n}\n\n")
    open(out_samples, "w").write(samples(messages, records))
    import zlib
    text = re.sub(r"#.*", "", open(schema).read())
    c.append(f"const uint32_t wire_schema = 0x{zlib.crc32(text.encode()):08x};\n")
    h.append("#endif\n")
    open(out_h, "w").write("".join(h))
    open(out_c, "w").write(unused_guard("".join(c)))


SOURCE_END = '''void
wire_head_encode(const struct wire_head *h, uint8_t at[WIRE_HEAD])
{
\tconst uint64_t values[] = { h->len, h->type, h->n_fds, 0, h->session, h->ticket };
\tconst size_t sizes[] = { 4, 2, 1, 1, 8, 4 };

\tfor (size_t f = 0; f < sizeof(sizes) / sizeof(sizes[0]); f++)
\t\tfor (size_t i = 0; i < sizes[f]; i++)
\t\t\t*at++ = (uint8_t)(values[f] >> (8 * i));
}

bool
wire_head_decode(const uint8_t at[WIRE_HEAD], struct wire_head *ret)
{
\tstruct wire_head h = { .len = (uint32_t)get_int(at, 4),
\t\t.type = (uint16_t)get_int(at + 4, 2),
\t\t.n_fds = at[6],
\t\t.session = get_int(at + 8, 8),
\t\t.ticket = (uint32_t)get_int(at + 16, 4) };

\tif (at[7] != 0 || h.len > %(frame)d || h.type == WIRE_NONE ||
\t    h.type >= WIRE_N_TYPES || h.n_fds != types[h.type].has_fd)
\t\treturn false;
\t*ret = h;
\treturn true;
}

bool
wire_may_send(enum wire_role from, enum wire_role to, uint16_t type)
{
\treturn type < WIRE_N_TYPES && (types[type].from & 1u << from) != 0 &&
\t    (types[type].to & 1u << to) != 0;
}

const char *
wire_name(uint16_t type)
{
\treturn type < WIRE_N_TYPES && types[type].name != NULL
\t    ? types[type].name
\t    : "?";
}

const char *
wire_role_name(enum wire_role role)
{
\treturn (unsigned)role < WIRE_N_ROLES ? role_names[role] : "?";
}

'''

if __name__ == "__main__":
    main()
