/* SPDX-License-Identifier: ISC */
/*
 * Commands, the control role and its socket, with a store and a keeper that
 * are played here: what goes on the wire, what is printed, how it ends.
 *
 * The role and each command run in processes of their own; this one is their
 * supervisor, store and keeper, and a loop.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "cli/cli.h"
#include "roles/control/control.h"
#include "roles/role.h"
#include "sys/env_posix.h"
#include "sys/listen.h"

enum {
	TEXT_MAX = 1024 * 1024,
	ARGS_MAX = 12
};

struct output {
	struct env_watch watch;
	struct world *world;
	struct buf text;
	bool is_open;
};

struct world {
	char dir[64], config[96], socket[96], password[96], names[96],
	    large[96];
	struct env *env;
	struct channel supervisor, store, keeper;
	pid_t role, command;
	struct output out, err;
	/* what was asked */
	char asked[64];
	struct buf args, hashed;
	/* what is answered */
	size_t n_rows;
	uint16_t code;
	bool store_dies;
};

/* -- the store and the keeper ---------------------------------------------- */

static int
answer_row(struct channel *c, const struct wire_head *h, size_t i)
{
	struct wire_admin_rows rows = { .more = true };
	struct buf fields;
	char name[64];
	int r;

	(void)snprintf(name, sizeof(name), "u%zu@one.example", i);
	buf_init(&fields, 4096);
	(void)wire_field_add(&fields,
	    &(struct wire_field){ SLICE("address"), slice_cstr(name) });
	(void)wire_field_add(&fields,
	    &(struct wire_field){ SLICE("messages"), SLICE("12") });
	rows.rows = (struct wire_list){ .n = 2, .raw = buf_slice(&fields) };
	r = wire_send_admin_rows(c, h->session, h->ticket, &rows);
	buf_deinit(&fields);
	return r;
}

static int
on_admin_ask(struct channel *c, const struct wire_head *h,
    const struct wire_admin_ask *m)
{
	struct world *w = c->ctx;
	struct wire_admin_rows end = { .verdict = { .code = w->code,
					   .class = (uint8_t)(w->code / 100),
					   .text = SLICE("so be it") } };
	struct wire_list args = m->args;
	struct wire_field f = { 0 };

	(void)slice_to_cstr(m->command, w->asked, sizeof(w->asked));
	while (wire_field_next(&args, &f)) {
		(void)buf_add(&w->args, f.name);
		(void)buf_add_cstr(&w->args, "=");
		(void)buf_add(&w->args, f.value);
		(void)buf_add_cstr(&w->args, ";");
	}
	if (w->store_dies)
		return -1; /* ends the channel */
	for (size_t i = 0; i < w->n_rows; i++)
		if (answer_row(c, h, i) != 0)
			return -1;
	return wire_send_admin_rows(c, h->session, h->ticket, &end);
}

static int
on_hash_ask(struct channel *c, const struct wire_head *h,
    const struct wire_hash_ask *m)
{
	struct world *w = c->ctx;
	struct wire_hashed answer = { .ok = true, .verifier = SLICE("HASH") };

	(void)buf_add(&w->hashed, m->password);
	return wire_send_hashed(c, h->session, h->ticket, &answer);
}

static int
on_key_make(struct channel *c, const struct wire_head *h,
    const struct wire_key_make *m)
{
	static uint8_t chain[2000];
	struct wire_key_made answer = { .ok = m->days == 30,
		.sealed = SLICE("SEALED"),
		.chain = { chain, sizeof(chain) } };

	memset(chain, 'c', sizeof(chain));
	return wire_send_key_made(c, h->session, h->ticket, &answer);
}

static int
dispatch_store(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_store_handlers to = { .admin_ask =
							   on_admin_ask };

	return wire_dispatch_store(&to, c, WIRE_CONTROL, h, payload, fd);
}

static int
dispatch_keeper(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_keeper_handlers to = { .hash_ask = on_hash_ask,
		.key_make = on_key_make };

	return wire_dispatch_keeper(&to, c, WIRE_CONTROL, h, payload, fd);
}

static int
on_ready(struct channel *c, const struct wire_head *h,
    const struct wire_ready *m)
{
	(void)h, (void)m;
	env_stop(c->env);
	return 0;
}

static int
dispatch_supervisor(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_supervisor_handlers to = { .ready = on_ready };

	return wire_dispatch_supervisor(&to, c, WIRE_CONTROL, h, payload, fd);
}

static void
on_closed(struct channel *c)
{
	(void)c;
}

static const struct channel_ops store_ops = { dispatch_store, on_closed, NULL };
static const struct channel_ops keeper_ops = { dispatch_keeper, on_closed,
	NULL };
static const struct channel_ops supervisor_ops = { dispatch_supervisor,
	on_closed, NULL };

/* -- the role -------------------------------------------------------------- */

static void
pair(int fds[2])
{
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		     0, fds),
	    0);
}

static pid_t
start_role(const struct settings *s, const int fds[2])
{
	const struct env_posix_options how = { .role = "control",
		.log_level = ENV_ERROR };
	struct env *env;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)close(fds[0]); /* or it would never see its end */
	if (env_posix_new(&how, &env) != 0)
		_exit(99);
	_exit(role_control(env, s, fds[1]));
}

static void
give_peer(struct world *w, struct channel *c, enum wire_role role,
    const struct channel_ops *ops)
{
	struct wire_peer peer = {
		.role = (uint8_t)role, .instance = 2, .purpose = PEER_CHANNEL
	};
	int fds[2];

	pair(fds);
	memset(c, 0, sizeof(*c));
	test_int(channel_open(c, w->env, w, fds[0], role, WIRE_CONTROL, 1, ops),
	    0);
	test_int(wire_send_peer(&w->supervisor, 0, 0, &peer, fds[1]), 0);
	(void)close(fds[1]);
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	test_true(f != NULL);
	(void)fputs(text, f);
	(void)fclose(f);
}

static void
world_init(struct world *w)
{
	const struct env_posix_options how = { .role = "test",
		.log_level = ENV_ERROR };
	const struct wire_listener listener = { .service = SERVICE_CONTROL };
	const struct wire_start start = { .instance = 1 };
	struct settings_error err = { 0 };
	struct settings s;
	char text[512];
	int fds[2], fd;

	memset(w, 0, sizeof(*w));
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/ulak-test-XXXXXX");
	test_true(mkdtemp(w->dir) != NULL);
	(void)snprintf(w->config, sizeof(w->config), "%s/u.toml", w->dir);
	(void)snprintf(w->socket, sizeof(w->socket), "%s/sock", w->dir);
	(void)snprintf(w->password, sizeof(w->password), "%s/pw", w->dir);
	(void)snprintf(text, sizeof(text),
	    "[server]\nhostname='mx.one.example'\ndata='%s'\ncontrol='%s'\n"
	    "sandbox=false\n[outbound]\nport=2525\n",
	    w->dir, w->socket);
	write_file(w->config, text);
	write_file(w->password, "a secret\n");
	(void)snprintf(w->names, sizeof(w->names), "%s/names", w->dir);
	(void)snprintf(w->large, sizeof(w->large), "%s/large", w->dir);
	write_file(w->large, "");
	test_int(truncate(w->large, 64 * 1024 * 1024 + 1), 0);
	write_file(w->names, "# whom\n\n a@x.example \r\n#c@x\nb@x.example");
	test_int(settings_parse(slice_cstr(text), w->config, &s, &err), 0);
	test_int(env_posix_new(&how, &w->env), 0);
	buf_init(&w->args, TEXT_MAX);
	buf_init(&w->hashed, TEXT_MAX);
	w->code = 250;
	pair(fds);
	w->role = start_role(&s, fds);
	(void)close(fds[1]);
	test_int(channel_open(&w->supervisor, w->env, w, fds[0],
		     WIRE_SUPERVISOR, WIRE_CONTROL, 1, &supervisor_ops),
	    0);
	fd = listen_local(w->socket, 0600);
	test_true(fd >= 0);
	test_int(wire_send_listener(&w->supervisor, 0, 0, &listener, fd), 0);
	(void)close(fd);
	give_peer(w, &w->store, WIRE_STORE, &store_ops);
	give_peer(w, &w->keeper, WIRE_KEEPER, &keeper_ops);
	test_int(wire_send_start(&w->supervisor, 0, 0, &start), 0);
	test_int(env_run(w->env), 0);
}

static void
world_deinit(struct world *w)
{
	int status = 0;

	channel_close(&w->supervisor);
	channel_close(&w->store);
	channel_close(&w->keeper);
	test_int(waitpid(w->role, &status, 0), w->role);
	test_true(WIFEXITED(status));
	(void)unlink(w->socket);
	(void)unlink(w->config);
	(void)unlink(w->password);
	(void)unlink(w->names);
	(void)unlink(w->large);
	(void)rmdir(w->dir);
	env_posix_free(w->env);
	buf_deinit(&w->args);
	buf_deinit(&w->hashed);
}

/* -- a command --------------------------------------------------------------
 */

static void
on_output(struct env_watch *watch, unsigned events)
{
	struct output *o = LIST_ENTRY(watch, struct output, watch);
	uint8_t *at = NULL;
	ssize_t n;

	(void)events;
	test_int(buf_reserve(&o->text, 4096, &at), 0);
	n = read(watch->fd, at, 4096);
	if (n > 0) {
		buf_grew(&o->text, (size_t)n);
		return;
	}
	env_watch_del(o->world->env, watch);
	(void)close(watch->fd);
	o->is_open = false;
	if (!o->world->out.is_open && !o->world->err.is_open)
		env_stop(o->world->env);
}

static void
watch_output(struct world *w, struct output *o, int fd)
{
	memset(o, 0, sizeof(*o));
	o->world = w;
	o->is_open = true;
	buf_init(&o->text, TEXT_MAX);
	test_int(env_watch_add(w->env, &o->watch, fd, ENV_READ, on_output), 0);
}

/* Runs a command to its end while the roles are played; its exit status. */
static int
run(struct world *w, const char *const words[ARGS_MAX])
{
	const char *argv[ARGS_MAX + 4] = { "ulak", "-c", w->config };
	int out[2], err[2], argc = 3, status = 0;

	while (words[argc - 3] != NULL) {
		argv[argc] = words[argc - 3];
		argc++;
	}
	test_int(pipe2(out, O_CLOEXEC), 0);
	test_int(pipe2(err, O_CLOEXEC), 0);
	w->asked[0] = '\0';
	buf_reset(&w->args, 0);
	buf_reset(&w->hashed, 0);
	w->command = fork();
	if (w->command == 0) {
		(void)dup2(out[1], STDOUT_FILENO);
		(void)dup2(err[1], STDERR_FILENO);
		(void)close_range(3, ~0u, 0); /* the roles' channels */
		status = cli_main(argc, (char **)(uintptr_t)argv);
		(void)fflush(stdout);
		_exit(status);
	}
	(void)close(out[1]);
	(void)close(err[1]);
	watch_output(w, &w->out, out[0]);
	watch_output(w, &w->err, err[0]);
	test_int(env_run(w->env), 0);
	test_int(waitpid(w->command, &status, 0), w->command);
	test_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
forget(struct world *w)
{
	buf_deinit(&w->out.text);
	buf_deinit(&w->err.text);
}

static const struct {
	const char *what;
	const char *words[ARGS_MAX];
	size_t n_rows;
	uint16_t code;
	int status;
	const char *asked;
	struct slice args, hashed;
	const char *out, *err; /* parts */
} commands[] = {
	{ "a password is hashed, and only the verifier goes on",
	    { "account", "add", "jo@one.example", "--name", "Jo", "--quota",
		"1MiB", "--password-file", "PW" },
	    0, 250, 0, "account add",
	    SLICE("address=jo@one.example;name=Jo;quota=1048576;verifier="
		  "HASH;"),
	    SLICE("a secret"), "so be it\n", "" },
	{ "a table", { "account", "list" }, 2, 250, 0, "account list",
	    SLICE(""), SLICE(""), "u1@one.example              12", "" },
	{ "JSON", { "--json", "account", "list", "one.example" }, 1, 250, 0,
	    "account list", SLICE("domain=one.example;"), SLICE(""),
	    "\"messages\": 12", "" },
	{ "no rows, as JSON", { "queue", "list", "--json" }, 0, 250, 0,
	    "queue list", SLICE(""), SLICE(""), "[]\n", "" },
	{ "refused", { "domain", "add", "one.example" }, 0, 550, 1,
	    "domain add", SLICE("domain=one.example;"), SLICE(""), "",
	    "ulak: one.example: so be it\n" },
	{ "help of a command", { "help", "alias" }, 0, 250, 0, "", SLICE(""),
	    SLICE(""), "usage: ulak alias add", "" },
	{ "help of all", { "help" }, 0, 250, 0, "", SLICE(""), SLICE(""),
	    "commands:", "" },
	{ "help of none", { "help", "frob" }, 0, 250, 2, "", SLICE(""),
	    SLICE(""), "", "no such command: frob" },
	{ "trouble", { "domain", "list" }, 1, 451, 1, "domain list", SLICE(""),
	    SLICE(""), "", "ulak: so be it\n" },
	{ "a key is made by the keeper",
	    { "key", "add", "a.example", "b.example", "--days", "30",
		"--default" },
	    0, 250, 0, "key add", SLICE(""), SLICE(""), "so be it\n", "" },
	{ "the keeper refuses", { "key", "add", "a.example" }, 0, 250, 1, "",
	    SLICE(""), SLICE(""), "", "makes no key" },
	{ "status tells what is on for tests", { "status" }, 0, 250, 0,
	    "status", SLICE(""), SLICE(""), "test options     outbound.port\n",
	    "" },
	{ "an address is traced", { "trace", "jo@one.example", "--brief" }, 1,
	    250, 0, "trace", SLICE("address=jo@one.example;"), SLICE(""),
	    "u0@one.example", "" },
	{ "an id is traced", { "trace", "01JD8F0T5Q00000000000000AB" }, 0, 250,
	    1, "trace", SLICE("id=01JD8F0T5Q00000000000000AB;"), SLICE(""), "",
	    "nothing is known" },
	{ "neither", { "trace", "jo" }, 0, 250, 2, "", SLICE(""), SLICE(""), "",
	    "neither an address nor" },
	{ "which rows", { "queue", "hold", "--domain", "two.example", "-y" }, 0,
	    250, 0, "queue hold",
	    SLICE("route=two.example;slice=1000;after=0;"), SLICE(""),
	    "0 rows\n", "" },
	{ "one row, of two bad", { "queue", "hold", "--all", "--row", "1" }, 0,
	    250, 2, "", SLICE(""), SLICE(""), "", "stands alone" },
	{ "a number below 0 is no option",
	    { "queue", "priority", "-3", "01JD8F0T5Q00000000000000AB" }, 0, 250,
	    0, "queue priority",
	    SLICE("id=01JD8F0T5Q00000000000000AB;slice=1000;priority=-3;"
		  "after=0;"),
	    SLICE(""), "0 rows\n", "" },
	{ "no rows named", { "queue", "delete" }, 0, 250, 2, "", SLICE(""),
	    SLICE(""), "", "which rows?" },
	{ "the greylist",
	    { "greylist", "list", "--client", "192.0.2.0/24", "--limit", "5" },
	    0, 250, 0, "greylist list", SLICE("client=192.0.2.0/24;limit=5;"),
	    SLICE(""), "", "" },
	{ "reports are sent now", { "reports", "tls", "send" }, 0, 250, 0,
	    "reports tls send", SLICE(""), SLICE(""), "so be it\n", "" },
	{ "counts of a domain", { "reports", "tls", "show", "two.example" }, 0,
	    250, 0, "reports tls show", SLICE("domain=two.example;"), SLICE(""),
	    "", "" },
	{ "what is no report", { "reports", "tls", "read", "/dev/null" }, 0,
	    250, 1, "", SLICE(""), SLICE(""), "", "neither a report" },
	{ "no mail with a report", { "reports", "tls", "received", "--json" },
	    0, 250, 0, "reports tls received", SLICE(""), SLICE(""), "[]\n",
	    "" },
	{ "no mailbox for them", { "reports", "tls", "received" }, 0, 550, 1,
	    "reports tls received", SLICE(""), SLICE(""), "",
	    "ulak: so be it\n" },
	{ "MTA-STS", { "sts", "refresh", "two.example" }, 0, 250, 0,
	    "sts refresh", SLICE("domain=two.example;"), SLICE(""),
	    "so be it\n", "" },
	{ "whom no mail is sent to",
	    { "suppress", "add", "*", "jo@two.example", "--note", "asked to" },
	    0, 250, 0, "suppress add",
	    SLICE("sender=*;recipient=jo@two.example;note=asked to;"),
	    SLICE(""), "so be it\n", "" },
	{ "he may have it again",
	    { "suppress", "remove", "one.example", "jo@two.example" }, 0, 250,
	    0, "suppress remove",
	    SLICE("sender=one.example;recipient=jo@two.example;"), SLICE(""),
	    "so be it\n", "" },
	{ "all that were in vain",
	    { "suppress", "list", "--sender", "one.example", "--limit", "3" },
	    0, 250, 0, "suppress list", SLICE("sender=one.example;limit=3;"),
	    SLICE(""), "", "" },
	{ "one of them", { "suppress", "show", "jo@two.example" }, 0, 250, 0,
	    "suppress show", SLICE("recipient=jo@two.example;"), SLICE(""), "",
	    "" },
	{ "of no sender", { "suppress", "remove", "jo@two.example" }, 0, 250, 2,
	    "", SLICE(""), SLICE(""), "", "ulak suppress remove" },
	{ "who never waits",
	    { "greylist", "allow", "good.example", "--note", "a friend" }, 0,
	    250, 0, "greylist allow",
	    SLICE("client=good.example;note=a friend;"), SLICE(""),
	    "so be it\n", "" },
	{ "all of the greylist", { "greylist", "remove", "--all" }, 0, 250, 0,
	    "greylist remove", SLICE("all=1;"), SLICE(""), "so be it\n", "" },
	{ "none of the greylist named", { "greylist", "remove" }, 0, 250, 2, "",
	    SLICE(""), SLICE(""), "", "which rows?" },
	{ "all, but", { "greylist", "remove", "--all", "--sender", "a.test" },
	    0, 250, 2, "", SLICE(""), SLICE(""), "", "stands alone" },
	{ "not a number", { "queue", "retry", "--row", "x" }, 0, 250, 2, "",
	    SLICE(""), SLICE(""), "", "needs a number" },
	{ "not an id", { "queue", "show", "x" }, 0, 250, 2, "", SLICE(""),
	    SLICE(""), "", "26 characters" },
	{ "an argument too many", { "domain", "list", "x" }, 0, 250, 2, "",
	    SLICE(""), SLICE(""), "", "too many: x (ulak domain list)\n" },
	{ "options of a domain become arguments",
	    { "domain", "set", "one.example", "subaddress=+-", "quota=1MiB",
		"messages-per-day=7", "catch-all=" },
	    0, 250, 0, "domain set",
	    SLICE("domain=one.example;subaddress=+-;quota=1048576;"
		  "messages_per_day=7;catch_all=;"),
	    SLICE(""), "so be it\n", "" },
	{ "options of a route become arguments",
	    { "route", "add", "farm", "kind=smarthost", "to=.two.example",
		"hosts=a*3,b" },
	    0, 250, 0, "route add",
	    SLICE("name=farm;kind=smarthost;to=.two.example;hosts=a*3,b;"),
	    SLICE(""), "so be it\n", "" },
	{ "an address is tested", { "route", "jo@two.example" }, 0, 550, 1,
	    "route test", SLICE("address=jo@two.example;"), SLICE(""), "",
	    "so be it" },
	{ "with its sender",
	    { "route", "test", "jo@two.example", "--sender", "a@one.example" },
	    0, 550, 1, "route test",
	    SLICE("address=jo@two.example;sender=a@one.example;"), SLICE(""),
	    "", "so be it" },
	{ "a throttle",
	    { "throttle", "set", "tenant:two.example", "mails=1000",
		"period=1d", "burst=50" },
	    0, 250, 0, "throttle set",
	    SLICE("subject=tenant:two.example;mails=1000;period=1d;burst=50;"),
	    SLICE(""), "so be it\n", "" },
	{ "a throttle of nothing", { "throttle", "set", "tenant:two.example" },
	    0, 250, 2, "", SLICE(""), SLICE(""), "", "an argument is missing" },
	{ "what a throttle has not",
	    { "throttle", "set", "tenant:two.example", "colour=red" }, 0, 250,
	    2, "", SLICE(""), SLICE(""), "", "there are mails, period" },
	{ "no throttle", { "throttle", "unset", "route:farm" }, 0, 550, 1,
	    "throttle unset", SLICE("subject=route:farm;"), SLICE(""), "",
	    "so be it" },
	{ "all throttles, as JSON", { "throttle", "list", "--json" }, 0, 250, 0,
	    "throttle list", SLICE(""), SLICE(""), "[]\n", "" },
	{ "one of them", { "throttle", "show", "sender:jo@two.example" }, 0,
	    250, 0, "throttle show", SLICE("subject=sender:jo@two.example;"),
	    SLICE(""), "", "" },
	{ "a new address",
	    { "warmup", "add", "192.0.2.7", "first=100", "growth=200",
		"day=12h", "until=5000" },
	    0, 250, 0, "warmup add",
	    SLICE("address=192.0.2.7;first=100;growth=200;day=12h;"
		  "until=5000;"),
	    SLICE(""), "so be it\n", "" },
	{ "a new address without one", { "warmup", "add" }, 0, 250, 2, "",
	    SLICE(""), SLICE(""), "", "an argument is missing" },
	{ "what a warm-up has not", { "warmup", "add", "192.0.2.7", "speed=9" },
	    0, 250, 2, "", SLICE(""), SLICE(""), "", "there are first, until" },
	{ "it is new no more", { "warmup", "remove", "192.0.2.7" }, 0, 250, 0,
	    "warmup remove", SLICE("address=192.0.2.7;"), SLICE(""),
	    "so be it\n", "" },
	{ "all new addresses", { "warmup", "list", "--json" }, 0, 250, 0,
	    "warmup list", SLICE(""), SLICE(""), "[]\n", "" },
	{ "a route's name is needed", { "route", "show" }, 0, 250, 2, "",
	    SLICE(""), SLICE(""), "", "an argument is missing" },
	{ "no quota", { "domain", "add", "one.example", "quota=none" }, 0, 250,
	    0, "domain add", SLICE("domain=one.example;quota=0;"), SLICE(""),
	    "so be it\n", "" },
	{ "a key that there is not",
	    { "domain", "set", "one.example", "colour=blue" }, 0, 250, 2, "",
	    SLICE(""), SLICE(""), "", "there are kind, target, subaddress" },
	{ "no value", { "group", "set", "a@one.example", "post" }, 0, 250, 2,
	    "", SLICE(""), SLICE(""), "", "post: KEY=VALUE is needed" },
	{ "a key twice",
	    { "group", "set", "a@one.example", "post=owner", "post=members" },
	    0, 250, 2, "", SLICE(""), SLICE(""), "",
	    "post stands there twice" },
	{ "a size that is none",
	    { "account", "set", "a@one.example", "quota=much" }, 0, 250, 2, "",
	    SLICE(""), SLICE(""), "", "quota needs a size" },
	{ "nothing to set", { "account", "set", "a@one.example" }, 0, 250, 2,
	    "", SLICE(""), SLICE(""), "", "an argument is missing" },
	{ "one row as lines", { "account", "show", "jo@one.example" }, 1, 250,
	    0, "account show", SLICE("address=jo@one.example;"), SLICE(""),
	    "address               u0@one.example\n", "" },
	{ "one row as an object",
	    { "group", "show", "jo@one.example", "--json" }, 1, 250, 0,
	    "group show", SLICE("address=jo@one.example;"), SLICE(""),
	    "{\n  \"address\": \"u0@one.example\"", "" },
	{ "members in one argument",
	    { "group", "member", "add", "c@one.example", "a@x.example",
		"b@x.example" },
	    0, 250, 0, "group member add",
	    SLICE("address=c@one.example;members=a@x.example\nb@x.example;"),
	    SLICE(""), "so be it\n", "" },
	{ "members from a file: its comments are none",
	    { "group", "member", "import", "c@one.example", "NAMES" }, 0, 250,
	    0, "group member add",
	    SLICE("members=a@x.example\nb@x.example;"
		  "address=c@one.example;may_exist=1;"),
	    SLICE(""), "0 added, 0 were there already\n", "" },
	{ "a file that is not there",
	    { "domain", "rcpt", "import", "one.example", "/nonexistent" }, 0,
	    250, 1, "", SLICE(""), SLICE(""), "",
	    "/nonexistent: No such file" },
	{ "a file that is too large",
	    { "group", "member", "import", "c@one.example", "LARGE" }, 0, 250,
	    1, "", SLICE(""), SLICE(""), "", "/large: File too large" },
	{ "recipients that are passed on",
	    { "domain", "rcpt", "remove", "one.example", "*" }, 0, 250, 0,
	    "domain rcpt remove", SLICE("domain=one.example;addresses=*;"),
	    SLICE(""), "so be it\n", "" },
	{ "a sender is granted",
	    { "account", "send-as", "add", "jo@one.example", "@one.example" },
	    0, 250, 0, "account send-as add",
	    SLICE("address=jo@one.example;sender=@one.example;"), SLICE(""),
	    "so be it\n", "" },
	{ "half an action", { "account", "send-as" }, 0, 250, 2, "", SLICE(""),
	    SLICE(""), "", "what it shall do is missing" },
	{ "an address without an answer",
	    { "address", "jo@one.example", "--sender", "x@y.example", "--size",
		"1KiB" },
	    1, 250, 1, "address",
	    SLICE("address=jo@one.example;sender=x@y.example;size=1024;"),
	    SLICE(""), "", "the answer has no end" },
	{ "many rows", { "account", "list" }, 5000, 250, 0, "account list",
	    SLICE(""), SLICE(""), "u4999@one.example", "" },
};

static bool
has(const struct buf *text, const char *part)
{
	return slice_find(buf_slice(text), slice_cstr(part)) != SIZE_MAX;
}

static void
check_command(struct world *w, size_t i)
{
	const char *words[ARGS_MAX];
	int status;

	test_case(commands[i].what);
	for (size_t j = 0; j < ARGS_MAX; j++) {
		words[j] = commands[i].words[j];
		if (words[j] != NULL && strcmp(words[j], "PW") == 0)
			words[j] = w->password;
		if (words[j] != NULL && strcmp(words[j], "NAMES") == 0)
			words[j] = w->names;
		if (words[j] != NULL && strcmp(words[j], "LARGE") == 0)
			words[j] = w->large;
	}
	w->n_rows = commands[i].n_rows;
	w->code = commands[i].code;
	status = run(w, words);
	if (status != commands[i].status)
		print_error("%.*s%.*s", SLICE_FMT(buf_slice(&w->out.text)),
		    SLICE_FMT(buf_slice(&w->err.text)));
	test_int(status, commands[i].status);
	test_slice(slice_cstr(w->asked), slice_cstr(commands[i].asked));
	if (commands[i].args.len > 0)
		test_slice(buf_slice(&w->args), commands[i].args);
	test_slice(buf_slice(&w->hashed), commands[i].hashed);
	test_true(has(&w->out.text, commands[i].out));
	test_true(has(&w->err.text, commands[i].err));
	test_int(w->err.text.len > 0, commands[i].status != 0);
	test_true(!has(&w->out.text, "a secret"));
	forget(w);
}

static void
commands_work(void **state)
{
	static struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		check_command(&w, i);
	world_deinit(&w);
}

/* A store that ends in the middle is our trouble: 1, and it says so. Then a
 * new one comes, as after a restart. */
static void
survives_the_store(void **state)
{
	static const char *const words[ARGS_MAX] = { "domain", "list" };
	static struct world w;

	(void)state;
	world_init(&w);
	test_case("it dies while it is asked");
	w.store_dies = true;
	test_int(run(&w, words), 1);
	test_true(has(&w.err.text, "the store ended"));
	forget(&w);
	test_case("it is not there");
	test_int(run(&w, words), 1);
	test_true(has(&w.err.text, "the store is not there"));
	forget(&w);
	test_case("it is back");
	w.store_dies = false;
	give_peer(&w, &w.store, WIRE_STORE, &store_ops);
	test_int(run(&w, words), 0);
	forget(&w);
	world_deinit(&w);
}

/* -- others at the socket ---------------------------------------------------
 */

static int
connect_raw(const struct world *w)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	test_true(slice_to_cstr(slice_cstr(w->socket), at.sun_path,
	    sizeof(at.sun_path)));
	test_int(connect(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* All that is said until the end. */
static struct slice
read_raw(int fd, char text[512])
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, 511 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return slice_of(text, len);
}

static const struct {
	const char *what, *unit; /* `unit` is sent n times, then a line end */
	size_t n;
	const char *reply;
} junk[] = {
	{ "no JSON", "x", 1, "501" },
	{ "an empty line", "", 0, "501" },
	{ "no object", "[]", 1, "501" },
	{ "deep", "[", 5000, "501" },
	{ "too long", "x", CONTROL_LINE + 1, "500" },
	{ "two at once", "{}\n", 2, "501" },
};

static void
answers_junk(void **state)
{
	static struct world w;
	char text[512];

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
		int fd = connect_raw(&w);
		struct slice got;

		test_case(junk[i].what);
		for (size_t j = 0; j < junk[i].n; j++)
			if (send(fd, junk[i].unit, strlen(junk[i].unit),
				MSG_NOSIGNAL) == -1)
				break;
		(void)send(fd, "\n", 1, MSG_NOSIGNAL);
		got = read_raw(fd, text);
		test_true(slice_starts(got, SLICE("{\"code\":")));
		test_true(slice_find(got, slice_cstr(junk[i].reply)) == 8);
		test_int(slice_find_byte(got, '\n'), got.len - 1);
		(void)close(fd);
	}
	world_deinit(&w);
}

/* One too many is told so; those that are there are not disturbed. */
static void
bounds_connections(void **state)
{
	static const char *const words[ARGS_MAX] = { "domain", "list" };
	static struct world w;
	int fds[CONTROL_CONNS], fd;
	char text[512];

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < CONTROL_CONNS; i++)
		fds[i] = connect_raw(&w);
	fd = connect_raw(&w);
	test_true(slice_find(read_raw(fd, text), SLICE("too many")) !=
	    SIZE_MAX);
	(void)close(fd);
	test_int(run(&w, words), 1);
	test_true(has(&w.err.text, "too many commands at once"));
	forget(&w);
	for (size_t i = 0; i < CONTROL_CONNS; i++)
		(void)close(fds[i]);
	test_int(run(&w, words), 0);
	forget(&w);
	world_deinit(&w);
}

TEST_MAIN(cmocka_unit_test(commands_work), cmocka_unit_test(survives_the_store),
    cmocka_unit_test(answers_junk), cmocka_unit_test(bounds_connections))
