/* SPDX-License-Identifier: ISC */
/*
 * hook/milter - packets: length (32 bits, big-endian), command, data
 *
 * Sending: put_packet writes all or nothing. Reading: one table of replies,
 * each with the function that takes its data and the action that must have
 * been negotiated for it.
 */
#include "hook/milter.h"

#include <assert.h>
#include <string.h>

enum {
	LENGTH = 4,
	OPTIONS = 12, /* version, actions, steps */
	PARTS_MAX = 5
};

/* -- out ------------------------------------------------------------------- */

static void
put_u32(uint8_t at[LENGTH], uint32_t n)
{
	for (unsigned i = 0; i < LENGTH; i++)
		at[i] = (uint8_t)(n >> (24 - 8 * i));
}

static uint32_t
get_u32(const uint8_t at[LENGTH])
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	    (uint32_t)at[2] << 8 | at[3];
}

/* All of it, or nothing. */
static bool
put_packet(struct buf *out, char command, const struct slice *parts, size_t n)
{
	uint8_t head[LENGTH + 1];
	size_t len = 1;

	for (size_t i = 0; i < n; i++)
		len += parts[i].len;
	if (len > UINT32_MAX || len + LENGTH > buf_room(out))
		return false;
	put_u32(head, (uint32_t)len);
	head[LENGTH] = (uint8_t)command;
	if (buf_add(out, slice_of(head, sizeof(head))) != BUF_OK)
		return false;
	for (size_t i = 0; i < n; i++)
		if (buf_add(out, parts[i]) != BUF_OK)
			return false;
	return true;
}

/* A command's data must hold no NUL but those that end its strings. */
static bool
has_nul(struct slice s)
{
	return slice_find_byte(s, '\0') != SIZE_MAX;
}

static const char *const usual_symbols[MILTER_STAGES] = {
	[MILTER_CONNECT] = "j _ v {daemon_name} {if_name} {if_addr} "
			   "{client_addr} {client_name} {client_port} "
			   "{client_ptr}",
	[MILTER_HELO] = "{tls_version} {cipher} {cipher_bits}",
	[MILTER_MAIL] = "i {auth_type} {auth_authen} {auth_author} "
			"{mail_addr} {tls_version} {cipher} {cipher_bits}",
	[MILTER_RCPT] = "{rcpt_addr}",
	[MILTER_DATA] = "i",
	[MILTER_EOM] = "i {msg_id}",
	[MILTER_EOH] = "i",
};

static struct slice
value_of(const struct milter_macros *macros, struct slice name)
{
	for (size_t i = 0; i < macros->n; i++)
		if (slice_equal(slice_cstr(macros->rows[i].name), name))
			return macros->rows[i].value;
	return (struct slice){ 0 };
}

static bool
is_no_separator(uint8_t c)
{
	return c != ' ' && c != ',';
}

static bool
next_symbol(struct slice *list, struct slice *ret)
{
	while (slice_skip_byte(list, ' ') || slice_skip_byte(list, ','))
		;
	return slice_take_while(list, is_no_separator, ret);
}

/* Unknown and empty ones are left out. */
static bool
put_macros(const struct milter *m, enum milter_stage stage, uint8_t command,
    const struct milter_macros *macros, struct buf *out)
{
	struct slice list =
	    slice_cstr(m->has_symbols[stage] ? m->symbols[stage]
					     : usual_symbols[stage]);
	struct slice name, value;
	uint8_t head[LENGTH + 2];
	struct buf data;
	bool is_done = true;

	if (macros == NULL)
		return true;
	buf_init(&data, LIMIT_MILTER_PACKET);
	while (is_done && next_symbol(&list, &name)) {
		value = value_of(macros, name);
		if (value.len == 0 || has_nul(value))
			continue;
		is_done = buf_add(&data, name) == BUF_OK &&
		    buf_add_byte(&data, 0) == BUF_OK &&
		    buf_add(&data, value) == BUF_OK &&
		    buf_add_byte(&data, 0) == BUF_OK;
	}
	put_u32(head, (uint32_t)data.len + 2);
	head[LENGTH] = 'D';
	head[LENGTH + 1] = command;
	is_done = is_done && buf_room(out) >= sizeof(head) + data.len &&
	    buf_add(out, slice_of(head, sizeof(head))) == BUF_OK &&
	    buf_add(out, buf_slice(&data)) == BUF_OK;
	buf_deinit(&data);
	return is_done;
}

/* One row a command: which step leaves it out, which leaves it unanswered. */
static const struct command {
	char name;
	uint8_t stage; /* MILTER_STAGES: no macros */
	uint32_t no, mute;
} commands[] = {
	{ 'C', MILTER_CONNECT, MILTER_NO_CONNECT, MILTER_MUTE_CONNECT },
	{ 'H', MILTER_HELO, MILTER_NO_HELO, MILTER_MUTE_HELO },
	{ 'M', MILTER_MAIL, MILTER_NO_MAIL, MILTER_MUTE_MAIL },
	{ 'R', MILTER_RCPT, MILTER_NO_RCPT, MILTER_MUTE_RCPT },
	{ 'T', MILTER_DATA, MILTER_NO_DATA, MILTER_MUTE_DATA },
	{ 'L', MILTER_STAGES, MILTER_NO_HEADERS, MILTER_MUTE_HEADER },
	{ 'N', MILTER_EOH, MILTER_NO_EOH, MILTER_MUTE_EOH },
	{ 'B', MILTER_STAGES, MILTER_NO_BODY, MILTER_MUTE_BODY },
	{ 'E', MILTER_EOM, 0, 0 },
};

static const struct command *
command_of(char name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].name == name)
			return &commands[i];
	return NULL;
}

static enum milter_sent
say(struct milter *m, char name, const struct milter_macros *macros,
    const struct slice *parts, size_t n, struct buf *out)
{
	const struct command *c = command_of(name);
	size_t was = out->len;

	assert(m->is_ready && !m->is_bad && m->awaits == 0 && c != NULL);
	if ((m->steps & c->no) != 0)
		return MILTER_GO;
	if ((c->stage != MILTER_STAGES &&
		!put_macros(m, c->stage, (uint8_t)name, macros, out)) ||
	    !put_packet(out, name, parts, n)) {
		out->len = was;
		return MILTER_NO_ROOM;
	}
	if ((m->steps & c->mute) != 0)
		return MILTER_GO;
	m->awaits = (uint8_t)name;
	return MILTER_WAIT;
}

#define NUL slice_of("", 1)

void
milter_init(struct milter *m)
{
	memset(m, 0, sizeof(*m));
}

enum milter_sent
milter_say_open(struct milter *m, struct buf *out)
{
	uint8_t options[OPTIONS] = { 0 };
	struct slice part = slice_of(options, sizeof(options));

	put_u32(options, MILTER_VERSION);
	put_u32(options + LENGTH, MILTER_ACTIONS);
	put_u32(options + 2 * LENGTH, MILTER_STEPS);
	if (!put_packet(out, 'O', &part, 1))
		return MILTER_NO_ROOM;
	m->awaits = 'O';
	return MILTER_WAIT;
}

enum milter_sent
milter_say_connect(struct milter *m, const struct milter_macros *macros,
    struct slice host, unsigned family, uint16_t port, struct slice address,
    struct buf *out)
{
	uint8_t kind[3] = { family == 4 ? '4'
		    : family == 6       ? '6'
					: 'U',
		(uint8_t)(port >> 8), (uint8_t)port };
	struct slice parts[PARTS_MAX] = { has_nul(host) ? SLICE("") : host, NUL,
		slice_of(kind, sizeof(kind)), address, NUL };

	if (kind[0] != 'U')
		return say(m, 'C', macros, parts, 5, out);
	parts[2].len = 1;
	return say(m, 'C', macros, parts, 3, out);
}

enum milter_sent
milter_say_helo(struct milter *m, const struct milter_macros *macros,
    struct slice helo, struct buf *out)
{
	struct slice parts[] = { has_nul(helo) ? SLICE("") : helo, NUL };

	return say(m, 'H', macros, parts, 2, out);
}

static enum milter_sent
say_path(struct milter *m, char name, const struct milter_macros *macros,
    struct slice address, struct slice params, struct buf *out)
{
	struct slice parts[] = { SLICE("<"), address, SLICE(">"), NUL, params };
	enum milter_sent sent;
	uint8_t *at;

	if (has_nul(address) || has_nul(params))
		return MILTER_NO_ROOM;
	if (params.len == 0)
		return say(m, name, macros, parts, 4, out);
	{
		struct slice all[] = { parts[0], parts[1], parts[2], NUL,
			params, NUL };

		sent = say(m, name, macros, all, 6, out);
	}
	if (sent == MILTER_NO_ROOM || out->len < params.len + 1 ||
	    (m->steps & command_of(name)->no) != 0)
		return sent;
	/* each parameter is a string of its own */
	at = out->mem + out->at + out->len - 1 - params.len;
	for (size_t i = 0; i < params.len; i++)
		if (at[i] == ' ')
			at[i] = '\0';
	return sent;
}

enum milter_sent
milter_say_mail(struct milter *m, const struct milter_macros *macros,
    struct slice address, struct slice params, struct buf *out)
{
	return say_path(m, 'M', macros, address, params, out);
}

enum milter_sent
milter_say_rcpt(struct milter *m, const struct milter_macros *macros,
    struct slice address, struct slice params, struct buf *out)
{
	return say_path(m, 'R', macros, address, params, out);
}

enum milter_sent
milter_say_data(struct milter *m, const struct milter_macros *macros,
    struct buf *out)
{
	/* versions before 4 do not know it */
	if (m->version < 4)
		return MILTER_GO;
	return say(m, 'T', macros, NULL, 0, out);
}

/* CRLF becomes LF, as filters expect; NUL, which would end the string for the
 * filter, becomes a blank. */
static bool
put_value(struct slice body, struct buf *value)
{
	for (size_t i = 0; i < body.len; i++) {
		uint8_t c = body.at[i];

		if (c == '\r' && i + 1 < body.len && body.at[i + 1] == '\n')
			continue;
		if (buf_add_byte(value, c == 0 ? ' ' : c) != BUF_OK)
			return false;
	}
	return true;
}

enum milter_sent
milter_say_header(struct milter *m, struct slice name, struct slice body,
    struct buf *out)
{
	enum milter_sent sent = MILTER_NO_ROOM;
	struct buf value;

	if ((m->steps & MILTER_LEADING_SPACE) == 0 && body.len > 0 &&
	    (body.at[0] == ' ' || body.at[0] == '\t'))
		body = slice_from(body, 1);
	buf_init(&value, LIMIT_HEADER);
	if (put_value(body, &value)) {
		struct slice parts[] = { name, NUL, buf_slice(&value), NUL };

		sent = say(m, 'L', NULL, parts, 4, out);
	}
	buf_deinit(&value);
	return sent;
}

enum milter_sent
milter_say_eoh(struct milter *m, const struct milter_macros *macros,
    struct buf *out)
{
	return say(m, 'N', macros, NULL, 0, out);
}

enum milter_sent
milter_say_body(struct milter *m, struct slice part, struct buf *out)
{
	assert(part.len <= MILTER_BODY_MAX);
	return say(m, 'B', NULL, &part, 1, out);
}

enum milter_sent
milter_say_end(struct milter *m, const struct milter_macros *macros,
    struct buf *out)
{
	return say(m, 'E', macros, NULL, 0, out);
}

enum milter_sent
milter_say_abort(struct milter *m, struct buf *out)
{
	assert(m->is_ready && m->awaits == 0);
	return put_packet(out, 'A', NULL, 0) ? MILTER_GO : MILTER_NO_ROOM;
}

enum milter_sent
milter_say_quit(struct milter *m, struct buf *out)
{
	(void)m;
	return put_packet(out, 'Q', NULL, 0) ? MILTER_GO : MILTER_NO_ROOM;
}

/* -- in -------------------------------------------------------------------- */

static void
bad(struct milter *m, struct milter_effect *e, const char *why)
{
	m->is_bad = true;
	*e = (struct milter_effect){ .todo = MILTER_BAD, .why = why };
}

static bool
take_u32(struct slice *in, uint32_t *ret)
{
	struct slice part;

	if (!slice_take(in, LENGTH, &part))
		return false;
	*ret = get_u32(part.at);
	return true;
}

static bool
take_string(struct slice *in, struct slice *ret)
{
	return slice_take_until(in, '\0', ret);
}

/* *( stage(32) list NUL ), for those who negotiated it. */
static bool
take_symbols(struct milter *m, struct slice data)
{
	struct slice list;
	uint32_t stage;

	while (data.len > 0) {
		if (!take_u32(&data, &stage) || !take_string(&data, &list))
			return false;
		if (stage >= MILTER_STAGES)
			continue; /* of a version that is newer than ours */
		if (!slice_to_cstr(list, m->symbols[stage],
			sizeof(m->symbols[stage])))
			return false;
		m->has_symbols[stage] = true;
	}
	return true;
}

static void
on_options(struct milter *m, struct slice data, struct milter_effect *e)
{
	uint32_t version, actions, steps;

	if (!take_u32(&data, &version) || !take_u32(&data, &actions) ||
	    !take_u32(&data, &steps)) {
		bad(m, e, "negotiation is too short");
		return;
	}
	if (version < 2 || version > MILTER_VERSION) {
		bad(m, e, "protocol version is none of 2 to 6");
		return;
	}
	if ((actions & ~(uint32_t)MILTER_ACTIONS) != 0 ||
	    (steps & ~(uint32_t)MILTER_STEPS) != 0) {
		bad(m, e, "negotiated what was not offered");
		return;
	}
	if (data.len > 0 &&
	    ((actions & MILTER_SET_SYMBOLS) == 0 || !take_symbols(m, data))) {
		bad(m, e, "list of macros is malformed");
		return;
	}
	m->version = version;
	m->actions = actions;
	m->steps = steps;
	m->is_ready = true;
	e->todo = MILTER_READY;
}

/* text = *( HTAB / %d32-126 ) */
static bool
is_text(uint8_t c)
{
	return c == '\t' || ascii_is_print(c);
}

/* class "." subject "." detail SP, if it is there and fits the code. */
static void
take_esc(struct slice *text, unsigned class, struct esc *ret)
{
	struct slice rest = *text;
	uint64_t c, s, d;

	if (slice_take_u64(&rest, 9, &c) && slice_skip_byte(&rest, '.') &&
	    slice_take_u64(&rest, 999, &s) && slice_skip_byte(&rest, '.') &&
	    slice_take_u64(&rest, 999, &d) && c == class &&
	    (rest.len == 0 || slice_skip_byte(&rest, ' '))) {
		*ret = (struct esc){ (uint8_t)c, (uint16_t)s, (uint16_t)d };
		*text = rest;
	}
}

/*
 * reply = code [ ( SP / "-" ) [ esc SP ] text ] *( CRLF ... )
 *
 * Only the first line is said; a text that may not stand in a reply (RFC 5321,
 * 4.2) is left out, and ours is said instead.
 */
static void
on_reply(struct milter *m, struct slice data, struct milter_effect *e)
{
	struct slice line, text;
	uint64_t code;

	if (!take_string(&data, &line) || data.len > 0 ||
	    !slice_take(&line, 3, &text) || !slice_to_u64(text, 599, &code) ||
	    code < 400 ||
	    (line.len > 0 && line.at[0] != ' ' && line.at[0] != '-')) {
		bad(m, e, "reply code is none of 4yz and 5yz");
		return;
	}
	line = slice_from(line, 1);
	line = slice_upto(line, slice_find_byte(line, '\r'));
	line = slice_upto(line, slice_find_byte(line, '\n'));
	e->reply.code = (uint16_t)code;
	take_esc(&line, (unsigned)code / 100, &e->reply.esc);
	text = line;
	if (!slice_take_while(&text, is_text, &e->reply.text) || text.len > 0 ||
	    line.len > LIMIT_SMTP_REPLY_LINE / 2)
		e->reply.text = (struct slice){ 0 };
	e->todo = MILTER_VERDICT;
	e->verdict = code == 421 ? MILTER_CLOSE : MILTER_REPLY;
}

/* name NUL value NUL, behind an index where there is one */
static bool
take_field(struct slice data, bool has_index, struct milter_effect *e)
{
	return (!has_index || take_u32(&data, &e->index)) &&
	    take_string(&data, &e->name) && take_string(&data, &e->value) &&
	    data.len == 0 && e->name.len > 0;
}

static bool
take_add(struct slice data, struct milter_effect *e)
{
	return take_field(data, false, e);
}

static bool
take_indexed(struct slice data, struct milter_effect *e)
{
	return take_field(data, true, e);
}

/* With or without its brackets. */
static bool
take_address(struct slice data, struct milter_effect *e)
{
	if (!take_string(&data, &e->name) || data.len > 0)
		return false;
	if (slice_skip_byte(&e->name, '<')) {
		if (!slice_ends(e->name, SLICE(">")))
			return false;
		e->name.len--;
	}
	return e->name.len <= LIMIT_ADDRESS;
}

/* address NUL [ params NUL ] */
static bool
take_address_params(struct slice data, struct milter_effect *e)
{
	struct slice address = data;
	size_t end = slice_find_byte(data, '\0');

	if (end == SIZE_MAX)
		return false;
	data = slice_from(data, end + 1);
	if (data.len > 0 && (!take_string(&data, &e->value) || data.len > 0))
		return false;
	return take_address(slice_upto(address, end + 1), e);
}

static bool
take_reason(struct slice data, struct milter_effect *e)
{
	return take_string(&data, &e->value) && data.len == 0;
}

static bool
take_body(struct slice data, struct milter_effect *e)
{
	e->value = data;
	return true;
}

static const struct edit {
	char name;
	uint8_t edit;
	uint32_t action; /* must have been negotiated */
	bool (*take)(struct slice data, struct milter_effect *e);
} edits[] = {
	{ '+', MILTER_EDIT_ADD_RCPT, MILTER_ADD_RCPT, take_address },
	{ '2', MILTER_EDIT_ADD_RCPT, MILTER_ADD_RCPT_PARAMS,
	    take_address_params },
	{ '-', MILTER_EDIT_DELETE_RCPT, MILTER_DELETE_RCPT, take_address },
	{ 'b', MILTER_EDIT_BODY, MILTER_CHANGE_BODY, take_body },
	{ 'e', MILTER_EDIT_FROM, MILTER_CHANGE_FROM, take_address_params },
	{ 'h', MILTER_EDIT_ADD, MILTER_ADD_HEADERS, take_add },
	{ 'i', MILTER_EDIT_INSERT, MILTER_ADD_HEADERS, take_indexed },
	{ 'm', MILTER_EDIT_CHANGE, MILTER_CHANGE_HEADERS, take_indexed },
	{ 'q', MILTER_EDIT_QUARANTINE, MILTER_QUARANTINE, take_reason },
};

static void
on_edit(struct milter *m, const struct edit *row, struct slice data,
    struct milter_effect *e)
{
	if (m->awaits != 'E') {
		bad(m, e, "edits before the end of the message");
	} else if ((m->actions & row->action) == 0) {
		bad(m, e, "edits what it did not negotiate");
	} else if (!row->take(data, e)) {
		bad(m, e, "edit is malformed");
	} else {
		e->todo = MILTER_EDIT;
		e->edit = row->edit;
	}
}

/* `after`: the commands that this may answer; NULL: all. */
static const struct plain {
	char name;
	uint8_t verdict;
	const char *after;
} verdicts[] = {
	{ 'c', MILTER_CONTINUE, NULL },
	{ 'a', MILTER_ACCEPT, NULL },
	{ 'r', MILTER_REJECT, NULL },
	{ 't', MILTER_TEMPFAIL, NULL },
	{ 'd', MILTER_DISCARD, "MRTLNBE" },
	{ 's', MILTER_SKIP, "B" },
	{ '4', MILTER_CLOSE, NULL },
	{ 'f', MILTER_CLOSE, "C" },
};

static void
on_verdict(struct milter *m, const struct plain *row, struct slice data,
    struct milter_effect *e)
{
	if (row->after != NULL && strchr(row->after, m->awaits) == NULL)
		bad(m, e, "verdict does not fit the stage");
	else if (row->verdict == MILTER_SKIP &&
	    (m->steps & MILTER_MAY_SKIP) == 0)
		bad(m, e, "skips without having negotiated it");
	else if (data.len > 0)
		bad(m, e, "verdict carries data");
	else {
		e->todo = MILTER_VERDICT;
		e->verdict = row->verdict;
	}
}

static void
on_packet(struct milter *m, char name, struct slice data,
    struct milter_effect *e)
{
	if (m->awaits == 0) {
		bad(m, e, "speaks without being asked");
		return;
	}
	if (m->awaits == 'O' || name == 'O') {
		if (m->awaits != 'O' || name != 'O')
			bad(m, e, "negotiation is out of order");
		else
			on_options(m, data, e);
		return;
	}
	if (name == 'p') {
		e->todo = MILTER_PROGRESS;
		return;
	}
	if (name == 'y') {
		on_reply(m, data, e);
		return;
	}
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (verdicts[i].name == name) {
			on_verdict(m, &verdicts[i], data, e);
			return;
		}
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++)
		if (edits[i].name == name) {
			on_edit(m, &edits[i], data, e);
			return;
		}
	bad(m, e, "unknown reply");
}

size_t
milter_step(struct milter *m, struct slice in, struct milter_effect *e)
{
	struct slice rest = in, data;
	uint32_t len;

	*e = (struct milter_effect){ .todo = MILTER_MORE };
	if (m->is_bad) {
		bad(m, e, "was bad before");
		return 0;
	}
	if (!take_u32(&rest, &len))
		return 0;
	if (len < 1 || len > LIMIT_MILTER_PACKET) {
		bad(m, e, "packet's length is 0 or too much");
		return 0;
	}
	if (!slice_take(&rest, len, &data))
		return 0;
	on_packet(m, (char)data.at[0], slice_from(data, 1), e);
	if (e->todo == MILTER_BAD)
		return 0;
	if (e->todo == MILTER_READY || e->todo == MILTER_VERDICT)
		m->awaits = 0;
	return in.len - rest.len;
}
