/* SPDX-License-Identifier: ISC */
/*
 * roles/control/request - between lines of JSON and fields (docs/admin.md)
 *
 * The admin is trusted with the mail, not with the process: a line is bounded,
 * must be UTF-8 and of the one form there is, and is refused otherwise. The
 * store judges commands and arguments; here only what control itself needs is
 * taken out.
 */
#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "roles/control/control.h"

enum {
	DAYS_DEFAULT = 3650,
	FIELDS_CAP = CONTROL_ARGS * (CONTROL_FIELD + 128),
	NAMES_CAP = 4096 /* as in KEY_MAKE */
};

int
control_field_add(struct control_request *r, struct slice name,
    struct slice value)
{
	do {
		struct wire_field field = { .name = name,
			.value = slice_upto(value, CONTROL_FIELD) };
		int e;

		if (r->n_fields == CONTROL_ARGS)
			return CONTROL_E_REQUEST;
		e = wire_field_add(&r->fields, &field);
		if (e != 0)
			return e < 0 ? ERR_TRACE(e) : CONTROL_E_REQUEST;
		r->n_fields++;
		value = slice_from(value, field.value.len);
	} while (value.len > 0);
	return CONTROL_OK;
}

/* -- arguments that are not the store's ----------------------------------- */

static int
take_password(struct control_request *r, struct slice value)
{
	return buf_add(&r->password, value);
}

static int
take_hash(struct control_request *r, struct slice value)
{
	return buf_add(&r->hash, value);
}

/* For the keeper too: the salt comes from it. */
static int
take_address(struct control_request *r, struct slice value)
{
	return slice_to_cstr(value, r->address, sizeof(r->address))
	    ? control_field_add(r, SLICE("address"), value)
	    : CONTROL_E_REQUEST;
}

static int
take_names(struct control_request *r, struct slice value)
{
	int e = buf_add(&r->names, value);

	return e == 0 ? control_field_add(r, SLICE("names"), value) : e;
}

static int
take_days(struct control_request *r, struct slice value)
{
	uint64_t days = 0;

	if (!slice_to_u64(value, 36500, &days) || days == 0)
		return CONTROL_E_REQUEST;
	r->days = (uint32_t)days;
	return 0;
}

static int
take_verifier(struct control_request *r, struct slice value)
{
	r->has_verifier = true;
	return control_field_add(r, SLICE("verifier"), value);
}

static int
take_token_keys(struct control_request *r, struct slice value)
{
	return buf_add(&r->token_keys, value);
}

static const struct {
	struct slice name;
	int (*take)(struct control_request *r, struct slice value);
} own_args[] = {
	{ SLICE("password"), take_password },
	{ SLICE("hash"), take_hash },
	{ SLICE("address"), take_address },
	{ SLICE("names"), take_names },
	{ SLICE("days"), take_days },
	{ SLICE("verifier"), take_verifier },
	{ SLICE("token-keys"), take_token_keys },
};

static int
take_arg(struct control_request *r, struct slice name, struct slice value)
{
	for (size_t i = 0; i < sizeof(own_args) / sizeof(own_args[0]); i++)
		if (slice_equal(name, own_args[i].name))
			return own_args[i].take(r, value);
	return control_field_add(r, name, value);
}

/* -- the line ------------------------------------------------------------- */

static int
take_args(struct control_request *r, json_t *args, const char **ret_why)
{
	const char *name;
	json_t *value;
	int e;

	json_object_foreach(args, name, value)
	{
		if (!json_is_string(value) || strlen(name) > 64 ||
		    name[0] == '\0') {
			*ret_why = "an argument is a name with a text";
			return CONTROL_E_REQUEST;
		}
		e = take_arg(r, slice_cstr(name),
		    slice_of(json_string_value(value),
			json_string_length(value)));
		if (e != 0) {
			*ret_why = "an argument is too long, or not of its "
				   "form";
			return e < 0 ? ERR_TRACE(e) : CONTROL_E_REQUEST;
		}
	}
	return CONTROL_OK;
}

static int
take_request(struct control_request *r, json_t *root, const char **ret_why)
{
	json_t *command = json_object_get(root, "command");
	json_t *args = json_object_get(root, "args");

	if (!json_is_string(command) ||
	    !slice_to_cstr(slice_of(json_string_value(command),
			       json_string_length(command)),
		r->command, sizeof(r->command)) ||
	    strlen(r->command) != json_string_length(command)) {
		*ret_why = "a request has a command";
		return CONTROL_E_REQUEST;
	}
	if (args != NULL && !json_is_object(args)) {
		*ret_why = "args are names with texts";
		return CONTROL_E_REQUEST;
	}
	return args == NULL ? CONTROL_OK : take_args(r, args, ret_why);
}

/* jansson frees its texts as they are; one of them may be a password. */
static void
wipe(json_t *root)
{
	json_t *password =
	    json_object_get(json_object_get(root, "args"), "password");

	if (json_is_string(password))
		sodium_memzero((void *)(uintptr_t)json_string_value(password),
		    json_string_length(password));
	json_decref(root);
}

int
control_request_parse(struct slice line, struct control_request *ret,
    const char **ret_why)
{
	json_t *root;
	int r;

	memset(ret, 0, sizeof(*ret));
	buf_init(&ret->fields, FIELDS_CAP);
	buf_init(&ret->password, CONTROL_FIELD);
	buf_init(&ret->hash, 512);
	buf_init(&ret->names, NAMES_CAP);
	buf_init(&ret->token_keys, LIMIT_TOKEN_KEYS);
	ret->days = DAYS_DEFAULT;
	*ret_why = "a request is one line of JSON";
	root = json_loadb((const char *)line.at, line.len,
	    JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(root)) {
		json_decref(root);
		return CONTROL_E_REQUEST;
	}
	r = take_request(ret, root, ret_why);
	wipe(root);
	return r;
}

void
control_request_deinit(struct control_request *r)
{
	if (r->password.mem != NULL)
		sodium_memzero(r->password.mem, r->password.size);
	buf_deinit(&r->password);
	buf_deinit(&r->hash);
	buf_deinit(&r->fields);
	buf_deinit(&r->names);
	buf_deinit(&r->token_keys);
}

/* -- answers -------------------------------------------------------------- */

/* How many octets of a well-formed character stand first; 0: none. */
static size_t
first_character(struct slice s)
{
	for (size_t n = 1; n <= 4 && n <= s.len; n++)
		if (slice_is_utf8(slice_upto(s, n)))
			return n;
	return 0;
}

static int
add_utf8(struct buf *out, struct slice s)
{
	int r = 0;

	if (slice_is_utf8(s))
		return buf_add(out, s);
	while (s.len > 0 && r == 0) {
		size_t n = first_character(s);

		r = n > 0 ? buf_add(out, slice_upto(s, n))
			  : buf_add(out, SLICE("\xef\xbf\xbd"));
		s = slice_from(s, n > 0 ? n : 1);
	}
	return r;
}

/* A JSON string, its quotes included; `s` is well-formed. */
static int
add_string(struct buf *out, struct slice s)
{
	int r = buf_add_byte(out, '"');

	for (size_t i = 0; i < s.len && r == 0; i++) {
		uint8_t c = s.at[i];

		if (c == 0) /* no reader of ours takes it */
			r = buf_add_cstr(out, "\\ufffd");
		else if (c < 0x20 || c == 0x7f)
			r = buf_printf(out, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			r = buf_printf(out, "\\%c", c);
		else
			r = buf_add_byte(out, c);
	}
	return r == 0 ? buf_add_byte(out, '"') : r;
}

static int
add_text(struct buf *out, struct slice s)
{
	struct buf clean;
	int r;

	/* each octet may become the three of U+FFFD */
	buf_init(&clean, 3 * s.len + 1);
	r = add_utf8(&clean, s);
	if (r == 0)
		r = add_string(out, buf_slice(&clean));
	buf_deinit(&clean);
	return r;
}

static int
add_member(struct buf *out, struct slice name, struct slice value,
    bool is_first)
{
	int r = is_first ? 0 : buf_add_cstr(out, ",");

	if (r == 0)
		r = add_text(out, name);
	if (r == 0)
		r = buf_add_byte(out, ':');
	return r == 0 ? add_text(out, value) : r;
}

/* Fields of one name that follow each other are one value. */
static int
add_members(struct wire_list fields, struct buf *value, struct buf *out)
{
	struct wire_field field = { 0 };
	struct slice name = { 0 };
	bool is_first = true, has_name = false;
	int r = 0;

	while (r == 0 && wire_field_next(&fields, &field)) {
		if (has_name && !slice_equal(field.name, name)) {
			r = add_member(out, name, buf_slice(value), is_first);
			is_first = false;
			buf_reset(value, SIZE_MAX);
		}
		name = field.name;
		has_name = true;
		if (r == 0)
			r = buf_add(value, field.value);
	}
	if (r == 0 && has_name)
		r = add_member(out, name, buf_slice(value), is_first);
	return r;
}

int
control_row_print(struct wire_list fields, struct buf *out)
{
	struct buf value;
	size_t before = out->len;
	int r;

	buf_init(&value, LIMIT_FRAME);
	r = buf_add_cstr(out, "{\"row\":{");
	if (r == 0)
		r = add_members(fields, &value, out);
	if (r == 0)
		r = buf_add_cstr(out, "}}\n");
	buf_deinit(&value);
	if (r != 0)
		out->len = before; /* a row is there whole or not at all */
	return r;
}

int
control_end_print(const struct wire_verdict *v, struct buf *out)
{
	int r = buf_printf(out,
	    "{\"code\":%u,\"status\":\"%u.%u.%u\",\"text\":", v->code, v->class,
	    v->subject, v->detail);

	if (r == 0)
		r = add_text(out, v->text);
	return r == 0 ? buf_add_cstr(out, "}\n") : r;
}
