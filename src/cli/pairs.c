/* SPDX-License-Identifier: ISC */
/*
 * cli/pairs - see pairs.h
 */
#include "cli/pairs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "cli/admin.h"
#include "config/settings_table.h"

enum {
	FILE_MAX = 64 * 1024 * 1024,
	PART_BYTES = 24 * 1024, /* within a request */
	KEY_MAX = 32
};

/* -- KEY=VALUE
 * -------------------------------------------------------------------- */

static int
fail_key(const char *key, const struct cli_pair *keys)
{
	char known[512] = "";
	size_t n = 0;

	for (const struct cli_pair *k = keys; k->key != NULL; k++)
		n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s",
		    n > 0 ? ", " : "", k->key);
	return cli_fail(CLI_USAGE, "%s: there is no such key; there are %s",
	    key, known);
}

static int
add_pair(const struct cli_pair *key, const char *value, json_t *args)
{
	char number[24];
	uint64_t n = 0;
	json_t *text;

	if (key->kind == CLI_SIZE && strcmp(value, "none") == 0)
		value = "0";
	if (key->kind == CLI_SIZE) {
		int r = cli_check_value(CLI_SIZE, key->key, value);

		if (r != CLI_OK)
			return r;
		(void)settings_size_parse(slice_cstr(value), &n);
		(void)snprintf(number, sizeof(number), "%" PRIu64, n);
		value = number;
	}
	if (json_object_get(args, key->key) != NULL)
		return cli_fail(CLI_USAGE, "%s stands there twice", key->key);
	text = json_string(value);
	if (text == NULL)
		return cli_fail(CLI_USAGE, "%s is not UTF-8", key->key);
	return json_object_set_new(args, key->key, text) == 0
	    ? CLI_OK
	    : cli_fail(CLI_REFUSED, "out of memory");
}

static int
take_pair(const char *operand, const struct cli_pair *keys, json_t *args)
{
	const char *end = strchr(operand, '=');
	char key[KEY_MAX];

	if (end == NULL)
		return cli_fail(CLI_USAGE, "%s: KEY=VALUE is needed", operand);
	(void)snprintf(key, sizeof(key), "%.*s", (int)(end - operand), operand);
	for (char *c = key; *c != '\0'; c++)
		if (*c == '-')
			*c = '_';
	for (const struct cli_pair *k = keys; k->key != NULL; k++)
		if (strcmp(k->key, key) == 0)
			return add_pair(k, end + 1, args);
	return fail_key(key, keys);
}

int
cli_pairs_add(struct cli *cli, size_t first, const struct cli_pair *keys,
    json_t *args)
{
	int r = CLI_OK;

	for (size_t i = first; i < cli->n_operands && r == CLI_OK; i++)
		r = take_pair(cli->operands[i], keys, args);
	return r;
}

/* -- addresses
 * --------------------------------------------------------------------- */

static int
set_names(const char *name, const struct buf *names, json_t *args)
{
	json_t *text =
	    json_stringn((const char *)buf_slice(names).at, names->len);

	if (text == NULL)
		return cli_fail(CLI_USAGE, "an address is not UTF-8");
	return json_object_set_new(args, name, text) == 0
	    ? CLI_OK
	    : cli_fail(CLI_REFUSED, "out of memory");
}

int
cli_names_add(struct cli *cli, size_t first, const char *name, json_t *args)
{
	struct buf names;
	int r = 0;

	buf_init(&names, PART_BYTES);
	for (size_t i = first; i < cli->n_operands && r == 0; i++) {
		r = i > first ? buf_add_byte(&names, '\n') : 0;
		if (r == 0)
			r = buf_add_cstr(&names, cli->operands[i]);
	}
	r = r == 0 ? set_names(name, &names, args)
		   : cli_fail(CLI_USAGE,
			 "too many addresses at once; import takes a file");
	buf_deinit(&names);
	return r;
}

struct import {
	struct cli *cli;
	const char *command, *whole, *name;
	struct buf part;
	size_t n; /* in the part */
	long long done, present;
};

static long long
number_of(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text == NULL ? 0 : strtoll(text, NULL, 10);
}

static int
send_part(struct import *im)
{
	struct admin_answer answer;
	json_t *args = json_object();
	int r = set_names(im->name, &im->part, args);

	if (r == CLI_OK) {
		(void)json_object_set_new(args, im->whole,
		    json_string(im->cli->operands[0]));
		(void)json_object_set_new(args, "may_exist", json_string("1"));
		r = admin_ask(im->cli, im->command, args, &answer);
	}
	json_decref(args);
	if (r != CLI_OK)
		return r;
	r = admin_status(&answer);
	if (r == CLI_OK) {
		const json_t *row = json_array_get(answer.rows, 0);

		im->done += number_of(row, "done");
		im->present += number_of(row, "present");
	}
	admin_answer_deinit(&answer);
	buf_reset(&im->part, 0);
	im->n = 0;
	return r;
}

static int
add_line(struct import *im, struct slice line)
{
	int r = CLI_OK;

	while (line.len > 0 && line.at[line.len - 1] <= ' ')
		line.len--;
	while (line.len > 0 && line.at[0] <= ' ')
		line = slice_from(line, 1);
	if (line.len == 0 || line.at[0] == '#')
		return CLI_OK;
	if (line.len > LIMIT_ADDRESS)
		return cli_fail(CLI_REFUSED, "a line is too long: %.*s...",
		    SLICE_FMT(slice_upto(line, 64)));
	if (im->n == LIMIT_ADMIN_NAMES ||
	    im->part.len + line.len + 1 > PART_BYTES)
		r = send_part(im);
	if (r != CLI_OK)
		return r;
	if ((im->n > 0 && buf_add_byte(&im->part, '\n') != 0) ||
	    buf_add(&im->part, line) != 0)
		return cli_fail(CLI_REFUSED, "out of memory");
	im->n++;
	return CLI_OK;
}

static int
tell_import(const struct import *im)
{
	json_t *end;
	int r;

	if (!im->cli->json) {
		(void)printf("%lld added, %lld were there already\n", im->done,
		    im->present);
		return CLI_OK;
	}
	end = json_pack("{s:I, s:I}", "done", (json_int_t)im->done, "present",
	    (json_int_t)im->present);
	r = admin_print_json(end);
	json_decref(end);
	return r;
}

int
cli_names_import(struct cli *cli, const char *command, const char *whole,
    const char *name)
{
	struct import im = {
		.cli = cli, .command = command, .whole = whole, .name = name
	};
	struct slice text, line;
	char *file = NULL;
	size_t len = 0;
	int r = cli_read_file(cli->operands[1], FILE_MAX, &file, &len);

	if (r < 0)
		return cli_fail(CLI_REFUSED, "%s: %s", cli->operands[1],
		    strerror(-r));
	buf_init(&im.part, PART_BYTES);
	text = slice_of(file, len);
	while (text.len > 0 && r == CLI_OK) {
		if (!slice_take_until(&text, '\n', &line)) {
			line = text;
			text.len = 0;
		}
		r = add_line(&im, line);
	}
	if (r == CLI_OK && im.n > 0)
		r = send_part(&im);
	if (r != CLI_OK && im.done > 0)
		r = cli_fail(r, "%lld were added before that", im.done);
	else if (r == CLI_OK)
		r = tell_import(&im);
	buf_deinit(&im.part);
	free(file);
	return r;
}
