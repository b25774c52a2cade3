/* SPDX-License-Identifier: ISC */
/*
 * cli/admin - see admin.h
 */
#include "cli/admin.h"

#include "config/settings_table.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* -- the socket ----------------------------------------------------------- */

static int
connect_to(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd;

	if (!slice_to_cstr(slice_cstr(path), to.sun_path, sizeof(to.sun_path)))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == -1) {
		int e = errno;

		(void)close(fd);
		return -e;
	}
	return fd;
}

static int
send_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
send_request(int fd, const char *command, json_t *args)
{
	json_t *request =
	    json_pack("{s:s, s:O}", "command", command, "args", args);
	char *line = request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
	int r = -ENOMEM;

	if (line != NULL) {
		r = send_all(fd, line, strlen(line));
		if (r == 0)
			r = send_all(fd, "\n", 1);
		sodium_memzero(line, strlen(line)); /* passwords */
		free(line);
	}
	json_decref(request);
	return r;
}

static void
take_end(const json_t *end, struct admin_answer *answer)
{
	const char *text = json_string_value(json_object_get(end, "text"));

	answer->code = (long)json_integer_value(json_object_get(end, "code"));
	(void)snprintf(answer->text, sizeof(answer->text), "%s",
	    text == NULL ? "" : text);
}

/* Lines until the one with a code. 0, or -errno. */
static int
read_answer(int fd, struct admin_answer *answer)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0;
	int r = -ECONNRESET;

	if (in == NULL) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	while (getline(&line, &size, in) > 0) {
		json_t *got = json_loads(line, 0, NULL);
		json_t *row = json_object_get(got, "row");

		if (row != NULL)
			(void)json_array_append(answer->rows, row);
		else if (json_object_get(got, "code") != NULL) {
			take_end(got, answer);
			r = 0;
		} else {
			r = -EPROTO;
		}
		json_decref(got);
		if (row == NULL)
			break;
	}
	free(line);
	(void)fclose(in);
	return r;
}

static int
fail_socket(const char *path, int r)
{
	if (r == -ENOENT || r == -ECONNREFUSED)
		return cli_fail(CLI_REFUSED,
		    "%s: no server answers there; is `ulak serve` running?",
		    path);
	if (r == -ECONNRESET)
		return cli_fail(CLI_REFUSED,
		    "%s: the server ended before it had answered", path);
	if (r == -EACCES)
		return cli_fail(CLI_REFUSED,
		    "%s: permission denied; it is for root, the user that the "
		    "server runs as, and members of the group ulak",
		    path);
	return cli_fail(CLI_REFUSED, "%s: %s", path, strerror(-r));
}

int
admin_open(struct cli *cli, const char *command, json_t *args, int *ret_fd)
{
	struct settings settings;
	int fd, r = cli_settings(cli, &settings);

	if (r != CLI_OK)
		return r;
	fd = connect_to(settings.control);
	r = fd < 0 ? fd : send_request(fd, command, args);
	if (r < 0) {
		if (fd >= 0)
			(void)close(fd);
		return fail_socket(settings.control, r);
	}
	*ret_fd = fd;
	return CLI_OK;
}

int
admin_ask(struct cli *cli, const char *command, json_t *args,
    struct admin_answer *ret)
{
	struct settings settings;
	struct admin_answer answer = { .rows = json_array() };
	int fd, r = cli_settings(cli, &settings);

	if (r == CLI_OK) {
		fd = connect_to(settings.control);
		r = fd < 0 ? fd : send_request(fd, command, args);
		/* A server that says no before it reads has said it all. */
		if (fd >= 0 && (r == 0 || r == -EPIPE))
			r = read_answer(fd, &answer);
		else if (fd >= 0)
			(void)close(fd);
		if (r < 0)
			r = fail_socket(settings.control, r);
	}
	if (r != CLI_OK) {
		admin_answer_deinit(&answer);
		return r;
	}
	*ret = answer;
	return CLI_OK;
}

void
admin_answer_deinit(struct admin_answer *a)
{
	json_decref(a->rows);
	a->rows = NULL;
}

int
admin_status(const struct admin_answer *a)
{
	char text[TABLE_CELL];

	if (a->code >= 200 && a->code < 300)
		return CLI_OK;
	table_clean(slice_cstr(a->text), text);
	return cli_fail(CLI_REFUSED, "%s", text);
}

/* -- from the command line ------------------------------------------------ */

static int
set_arg(json_t *args, const char *name, enum cli_kind kind, const char *value)
{
	char number[24];
	uint64_t n = 0;
	json_t *text;

	if (kind == CLI_SIZE && settings_size_parse(slice_cstr(value), &n)) {
		(void)snprintf(number, sizeof(number), "%" PRIu64, n);
		value = number;
	}
	text = json_string(kind == CLI_FLAG ? "1" : value);
	if (text == NULL)
		return cli_fail(CLI_USAGE, "%s is not UTF-8", name);
	return json_object_set_new(args, name, text) == 0
	    ? CLI_OK
	    : cli_fail(CLI_REFUSED, "out of memory");
}

/* "password-file" is "password_file" on the wire. */
static int
set_option(json_t *args, const struct cli_option *o, const char *value)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s", o->name);
	for (char *c = name; *c != '\0'; c++)
		if (*c == '-')
			*c = '_';
	return set_arg(args, name, o->kind, value);
}

static int
fill_args(struct cli *cli, json_t *args)
{
	const struct admin_action *a = cli->action->admin;
	const struct cli_option *o = cli->action->options;
	int r = CLI_OK;

	for (size_t i = 0; i < cli->n_operands && i < ADMIN_OPERANDS_MAX &&
	     a->operands[i].name != NULL && r == CLI_OK;
	     i++) {
		r = cli_check_value(a->operands[i].kind, a->operands[i].name,
		    cli->operands[i]);
		if (r == CLI_OK)
			r = set_arg(args, a->operands[i].name,
			    a->operands[i].kind, cli->operands[i]);
	}
	for (size_t i = 0; o != NULL && o[i].name != NULL && r == CLI_OK; i++)
		if (cli->values[i] != NULL && !o[i].is_local)
			r = set_option(args, &o[i], cli->values[i]);
	if (r == CLI_OK && a->prepare != NULL)
		r = a->prepare(cli, args);
	return r;
}

int
admin_print_json(const json_t *value)
{
	if (json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY) != 0)
		return cli_fail(CLI_REFUSED, "standard output: write error");
	(void)putchar('\n');
	return CLI_OK;
}

/* The answer of a command without a table; what its row says ("affected",
 * "key") stands beside the code. */
static int
print_end_json(const struct admin_answer *answer)
{
	static const struct table_column numbers[] = {
		{ "affected", NULL, TABLE_NUMBER },
		{ "key", NULL, TABLE_NUMBER },
		{ "done", NULL, TABLE_NUMBER },
		{ "present", NULL, TABLE_NUMBER },
		{ NULL, NULL, TABLE_TEXT },
	};
	json_t *typed = table_json(answer->rows, numbers);
	json_t *end = json_pack("{s:I, s:s}", "code", (json_int_t)answer->code,
	    "text", answer->text);
	int r;

	if (json_array_size(typed) > 0)
		(void)json_object_update_missing(end, json_array_get(typed, 0));
	r = admin_print_json(end);
	json_decref(end);
	json_decref(typed);
	return r;
}

static void
print_end(const struct admin_answer *answer)
{
	const char *affected =
	    json_string_value(json_object_get(json_array_get(answer->rows, 0),
		"affected"));
	char text[TABLE_CELL];

	table_clean(slice_cstr(affected != NULL ? affected : answer->text),
	    text);
	(void)printf("%s%s\n", text,
	    affected == NULL                 ? ""
		: strcmp(affected, "1") == 0 ? " row"
					     : " rows");
}

static void
print_value(const struct table_column *c, const json_t *row)
{
	const char *value = json_string_value(json_object_get(row, c->name));
	char cell[TABLE_CELL];

	if (value == NULL)
		return;
	table_cell(c->kind, value, cell);
	(void)printf("%-20s  %s\n", c->name, cell);
}

int
admin_show_row(struct cli *cli, const json_t *rows)
{
	const struct table_column *columns = cli->action->admin->columns;
	json_t *typed;
	int r = CLI_OK;

	if (json_array_size(rows) != 1)
		return cli_fail(CLI_REFUSED, "the answer is not of its form");
	if (!cli->json) {
		for (; columns->name != NULL; columns++)
			print_value(columns, json_array_get(rows, 0));
		return CLI_OK;
	}
	typed = table_json(rows, columns);
	r = admin_print_json(json_array_get(typed, 0));
	json_decref(typed);
	return r;
}

static int
print_answer(struct cli *cli, const struct admin_answer *answer)
{
	const struct admin_action *a = cli->action->admin;
	json_t *typed;
	int r;

	if (a->show != NULL)
		return a->show(cli, answer->rows);
	if (a->columns == NULL && cli->json)
		return print_end_json(answer);
	if (a->columns == NULL) {
		print_end(answer);
		return CLI_OK;
	}
	if (!cli->json) {
		table_print(answer->rows, a->columns, stdout);
		return CLI_OK;
	}
	typed = table_json(answer->rows, a->columns);
	r = admin_print_json(typed);
	json_decref(typed);
	return r;
}

/* A refusal names what it is about, unless it does so itself. */
static int
status_of(const struct cli *cli, const struct admin_answer *a)
{
	const char *what = cli->n_operands > 0 ? cli->operands[0] : "";
	char text[TABLE_CELL], shown[TABLE_CELL];

	if (a->code < 300 || what[0] == '\0' || strstr(a->text, what) != NULL)
		return admin_status(a);
	table_clean(slice_cstr(a->text), text);
	table_clean(slice_cstr(what), shown);
	return cli_fail(CLI_REFUSED, "%s: %s", shown, text);
}

int
admin_run(struct cli *cli)
{
	struct admin_answer answer;
	json_t *args = json_object();
	int r = fill_args(cli, args);

	if (r == CLI_OK)
		r = admin_ask(cli, cli->action->admin->command, args, &answer);
	if (r == CLI_OK) {
		r = status_of(cli, &answer);
		if (r == CLI_OK)
			r = print_answer(cli, &answer);
		admin_answer_deinit(&answer);
	}
	json_decref(args);
	return r;
}
