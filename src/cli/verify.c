/* SPDX-License-Identifier: ISC */
/*
 * cli/verify - whether all that is kept is whole
 *
 * Checksums, references and counters. Asks the running server; with --offline
 * opens the data directory itself, under its lock and without changing it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/admin.h"
#include "store/store.h"
#include "sys/env_posix.h"

static const char *const counts[] = { "messages", "bytes", "entries",
	"accounts", "queue", "orphans" };

/* {"problems": [...], "messages": n, ...} from the rows of docs/admin.md. */
static json_t *
report_of(const json_t *rows)
{
	json_t *report = json_object(), *problems = json_array(), *row, *value;
	const char *name;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		json_t *problem = json_object_get(row, "problem");

		if (problem != NULL) {
			(void)json_array_append(problems, problem);
			continue;
		}
		json_object_foreach(row, name, value)
		{
			uint64_t n = 0;

			if (strcmp(name, "problems") != 0 &&
			    slice_to_u64(slice_cstr(json_string_value(value)),
				INT64_MAX, &n))
				(void)json_object_set_new(report, name,
				    json_integer((json_int_t)n));
		}
	}
	(void)json_object_set_new(report, "problems", problems);
	return report;
}

static int
show_report(struct cli *cli, json_t *report)
{
	json_t *problems = json_object_get(report, "problems"), *problem;
	char cell[TABLE_CELL];
	size_t i;

	if (cli->json) {
		(void)admin_print_json(report);
	} else {
		json_array_foreach(problems, i, problem)
		{
			table_clean(slice_cstr(json_string_value(problem)),
			    cell);
			(void)printf("PROBLEM  %s\n", cell);
		}
		for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
			(void)printf("%-9s %12" JSON_INTEGER_FORMAT "\n",
			    counts[i],
			    json_integer_value(json_object_get(report,
				counts[i])));
		(void)printf("%-9s %12zu\n", "problems",
		    json_array_size(problems));
	}
	if (json_array_size(problems) == 0)
		return CLI_OK;
	return cli_fail(CLI_REFUSED, "%zu problems", json_array_size(problems));
}

static int
show_rows(struct cli *cli, const json_t *rows)
{
	json_t *report = report_of(rows);
	int r = show_report(cli, report);

	json_decref(report);
	return r;
}

/* -- offline -------------------------------------------------------------- */

static void
add_problem(void *ctx, const char *what)
{
	json_t *text = json_string(what);

	(void)json_array_append_new(ctx,
	    text != NULL ? text : json_string("(not UTF-8)"));
}

static void
set_count(json_t *report, const char *name, uint64_t n)
{
	(void)json_object_set_new(report, name, json_integer((json_int_t)n));
}

static int
verify_store(struct cli *cli, struct store *store)
{
	json_t *report = json_object(), *problems = json_array();
	struct verify_report v = { .problem = add_problem, .ctx = problems };
	int r = store_verify(store, &v);

	set_count(report, "messages", v.messages);
	set_count(report, "bytes", v.bytes);
	set_count(report, "entries", v.entries);
	set_count(report, "accounts", v.accounts);
	set_count(report, "queue", v.queue_rows);
	set_count(report, "orphans", v.orphans);
	(void)json_object_set_new(report, "problems", problems);
	r = r < 0 ? cli_fail(CLI_REFUSED, "verify: %s", strerror(-r))
		  : show_report(cli, report);
	json_decref(report);
	return r;
}

static int
verify_directory(struct cli *cli, struct env *env, const char *data)
{
	const struct store_options options = { .read_only = true };
	struct env_dir *dir;
	struct store *store;
	int r = env_dir_open(env, data, &dir);

	if (r < 0)
		return cli_fail(CLI_REFUSED, "%s: %s", data, strerror(-r));
	r = store_open(env, dir, &options, &store);
	if (r == 0) {
		r = verify_store(cli, store);
		store_close(store);
	} else {
		r = cli_fail(CLI_REFUSED, "%s: %s", data,
		    r > 0 ? store_open_text(r) : strerror(-r));
	}
	env_dir_close(dir);
	return r;
}

static int
run_verify(struct cli *cli)
{
	const struct env_posix_options how = { .role = "verify",
		.log_level = ENV_WARN };
	struct settings s;
	struct env *env;
	int r;

	if (cli_option(cli, "offline") == NULL)
		return admin_run(cli);
	r = cli_settings(cli, &s);
	if (r != CLI_OK)
		return r;
	r = env_posix_new(&how, &env);
	if (r < 0)
		return cli_fail(CLI_REFUSED, "%s", strerror(-r));
	r = verify_directory(cli, env, s.data);
	env_posix_free(env);
	return r;
}

static const struct cli_option options[] = {
	{ "offline", 0, CLI_FLAG, NULL,
	    "reads the data directory itself; no server may run", true },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

static const struct admin_action verify = { .command = "verify",
	.show = show_rows };

static const struct cli_action actions[] = {
	{ NULL, NULL, 0, 0, NULL, options, run_verify, &verify },
};

const struct cli_command cli_verify = { "verify",
	"whether all that is kept is whole", CLI_ACTIONS(actions), NULL };
