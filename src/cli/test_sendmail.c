/* SPDX-License-Identifier: ISC */
/*
 * What a sendmail(1) is told on its command line, and what it leaves in the
 * spool. The way to a server is tried end to end (tests/e2e/test_sendmail.py).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "cli/sendmail.h"

enum {
	ARGS_MAX = 12,
	CAP = 1024 * 1024
};

/* -- the command line -------------------------------------------------------
 */

static const struct row {
	const char *what;
	const char *argv[ARGS_MAX];
	int want;
	struct sendmail_options o;
} rows[] = {
	{ "cron",
	    { "sendmail", "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root" },
	    EX_OK,
	    { .ignores_dot = true,
		.name = "CronDaemon",
		.rcpts = { "root" },
		.n_rcpts = 1 } },
	{ "PHP", { "/usr/sbin/sendmail", "-t", "-i" }, EX_OK,
	    { .takes_rcpts = true, .ignores_dot = true } },
	{ "PHP with a sender", { "sendmail", "-ti", "-fa@b.example" }, EX_OK,
	    { .takes_rcpts = true,
		.ignores_dot = true,
		.sender = "a@b.example" } },
	{ "mutt",
	    { "sendmail", "-oem", "-oi", "-f", "a@b", "--", "-x@y", "c@d" },
	    EX_OK,
	    { .ignores_dot = true,
		.sender = "a@b",
		.rcpts = { "-x@y", "c@d" },
		.n_rcpts = 2 } },
	{ "mailx", { "send-mail", "-i", "-r", "a@b", "c" }, EX_OK,
	    { .ignores_dot = true,
		.sender = "a@b",
		.rcpts = { "c" },
		.n_rcpts = 1 } },
	{ "letters together, the last with a value", { "sendmail", "-tivfme" },
	    EX_OK,
	    { .takes_rcpts = true,
		.ignores_dot = true,
		.is_verbose = true,
		.sender = "me" } },
	{ "nobody", { "sendmail", "-f", "", "x" }, EX_OK,
	    { .sender = "", .rcpts = { "x" }, .n_rcpts = 1 } },
	{ "options behind a recipient", { "sendmail", "x", "-fme" }, EX_OK,
	    { .sender = "me", .rcpts = { "x" }, .n_rcpts = 1 } },
	{ "-N, -R, -V",
	    { "sendmail", "-N", "Success,delay", "-Rhdrs", "-V", "q1", "x" },
	    EX_OK,
	    { .notify = 2 | 8,
		.ret = 2,
		.envid = "q1",
		.rcpts = { "x" },
		.n_rcpts = 1 } },
	{ "-N never, -R full", { "sendmail", "-Nnever", "-Rfull" }, EX_OK,
	    { .notify = 1, .ret = 1 } },
	{ "-N never with others", { "sendmail", "-Nnever,delay" }, EX_USAGE,
	    { 0 } },
	{ "-N what", { "sendmail", "-N", "often" }, EX_USAGE, { 0 } },
	{ "-N nothing", { "sendmail", "-N", "" }, EX_USAGE, { 0 } },
	{ "-R what", { "sendmail", "-R", "some" }, EX_USAGE, { 0 } },
	{ "what is read over",
	    { "sendmail", "-Am", "-Ltag", "-O", "DeliveryMode=b", "-X", "/f",
		"-hn", "-d0.1" },
	    EX_OK, { 0 } },
	{ "more of that",
	    { "sendmail", "-h", "5", "-n", "-G", "-om", "-odb", "-p", "smtp:x",
		"y" },
	    EX_OK, { .rcpts = { "y" }, .n_rcpts = 1 } },
	{ "-O IgnoreDots", { "sendmail", "-OIgnoreDots" }, EX_OK,
	    { .ignores_dot = true } },
	{ "-oQ is not -oi", { "sendmail", "-oQi" }, EX_OK, { 0 } },
	{ "-bm", { "sendmail", "-bm", "x" }, EX_OK,
	    { .rcpts = { "x" }, .n_rcpts = 1 } },
	{ "-bs", { "sendmail", "-bs" }, EX_OK, { .mode = SENDMAIL_SESSION } },
	{ "-bp", { "sendmail", "-b", "p" }, EX_OK, { .mode = SENDMAIL_QUEUE } },
	{ "mailq", { "/usr/bin/mailq" }, EX_OK, { .mode = SENDMAIL_QUEUE } },
	{ "newaliases", { "newaliases" }, EX_OK, { .mode = SENDMAIL_ALIASES } },
	{ "-bi, -I", { "sendmail", "-bi" }, EX_OK,
	    { .mode = SENDMAIL_ALIASES } },
	{ "-q", { "sendmail", "-q" }, EX_OK, { .mode = SENDMAIL_RUN } },
	{ "-q with a time", { "sendmail", "-q30m" }, EX_OK,
	    { .mode = SENDMAIL_RUN } },
	{ "-bd", { "sendmail", "-bd" }, EX_USAGE, { 0 } },
	{ "-bv", { "sendmail", "-bv", "x" }, EX_USAGE, { 0 } },
	{ "unknown", { "sendmail", "-Z" }, EX_USAGE, { 0 } },
	{ "long and unknown", { "sendmail", "--to", "x" }, EX_USAGE, { 0 } },
	{ "--help", { "sendmail", "--help" }, EX_OK,
	    { .mode = SENDMAIL_HELP } },
	{ "a value is missing", { "sendmail", "-f" }, EX_USAGE, { 0 } },
	{ "a dash alone is a recipient", { "sendmail", "-" }, EX_OK,
	    { .rcpts = { "-" }, .n_rcpts = 1 } },
};

static void
test_text(const char *got, const char *want)
{
	test_int(got == NULL, want == NULL);
	test_slice(slice_cstr(got), slice_cstr(want));
}

static void
reads_its_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct sendmail_options *want = &rows[i].o;
		struct sendmail_options got;
		char error[SENDMAIL_ERROR] = "";
		int argc = 0;

		test_case(rows[i].what);
		while (rows[i].argv[argc] != NULL)
			argc++;
		test_int(sendmail_options_parse(argc,
			     (char **)(uintptr_t)rows[i].argv, &got, error),
		    rows[i].want);
		test_int(error[0] == '\0', rows[i].want == EX_OK);
		if (rows[i].want != EX_OK)
			continue;
		test_int(got.mode, want->mode);
		test_int(got.takes_rcpts, want->takes_rcpts);
		test_int(got.ignores_dot, want->ignores_dot);
		test_int(got.is_verbose, want->is_verbose);
		test_int(got.notify, want->notify);
		test_int(got.ret, want->ret);
		test_text(got.sender, want->sender);
		test_text(got.name, want->name);
		test_text(got.envid, want->envid);
		test_int(got.n_rcpts, want->n_rcpts);
		for (size_t k = 0; k < got.n_rcpts; k++)
			test_text(got.rcpts[k], want->rcpts[k]);
	}
}

static void
takes_no_more_than_it_can(void **state)
{
	static char *argv[SENDMAIL_RCPTS + 2];
	struct sendmail_options *o = malloc(sizeof(*o));
	char error[SENDMAIL_ERROR];

	(void)state;
	test_case("recipients");
	for (size_t i = 0; i < sizeof(argv) / sizeof(argv[0]); i++)
		argv[i] = (char *)(uintptr_t) "x";
	test_int(sendmail_options_parse(SENDMAIL_RCPTS + 1, argv, o, error),
	    EX_OK);
	test_int(sendmail_options_parse(SENDMAIL_RCPTS + 2, argv, o, error),
	    EX_USAGE);
	free(o);
}

/* -- the spool --------------------------------------------------------------
 */

static size_t
count_files(const char *dir, char name[64])
{
	DIR *d = opendir(dir);
	struct dirent *e;
	size_t n = 0;

	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.') {
			n++;
			(void)slice_to_cstr(slice_cstr(e->d_name), name, 64);
		}
	(void)closedir(d);
	return n;
}

static void
empty(const char *dir)
{
	char name[64], path[128];

	while (count_files(dir, name) > 0) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
		test_int(unlink(path), 0);
	}
}

static struct slice
read_whole(const char *path, uint8_t *at)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, at, CAP);

	(void)close(fd);
	return slice_of(at, n < 0 ? 0 : (size_t)n);
}

static void
leaves_whole_files(void **state)
{
	char dir[] = "/tmp/ulak-sendmail-XXXXXX", name[64], path[128];
	static uint8_t bytes[CAP];
	struct slice rcpts[150], text;
	struct sendmail_mail m = { .sender = SLICE("a@b.example"),
		.rcpts = rcpts,
		.n_rcpts = 1,
		.header = SLICE("Subject: x\r\n\r\n"),
		.body = SLICE("y\r\n"),
		.notify = 3 };
	char want[SPOOL_SUM + 1];
	struct spool_sum sum;
	struct spool head;
	struct arena a;
	struct stat st;
	size_t len;
	struct id id;

	(void)state;
	test_case("one file");
	test_true(mkdtemp(dir) != NULL && sodium_init() >= 0);
	for (size_t i = 0; i < 150; i++)
		rcpts[i] = SLICE("c@d.example");
	(void)umask(0);
	test_int(sendmail_spool(dir, &m), 0);
	test_int(count_files(dir, name), 1);
	test_true(spool_name_parse(slice_cstr(name), &id));
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	test_int(stat(path, &st), 0);
	test_int(st.st_mode & 07777, 0640);
	text = read_whole(path, bytes);
	arena_init(&a, CAP);
	test_int(spool_head_parse(text, &a, &head, &len), SPOOL_OK);
	test_int(head.size, 17);
	test_int(head.notify, 3);
	test_int(head.n_rcpts, 1);
	test_int(text.len, len + 17 + SPOOL_SUM);
	test_slice(slice_upto(slice_from(text, len), 17),
	    SLICE("Subject: x\r\n\r\ny\r\n"));
	spool_sum_init(&sum);
	spool_sum_add(&sum, slice_upto(text, text.len - SPOOL_SUM));
	spool_sum_print(&sum, want);
	test_slice(slice_from(text, text.len - SPOOL_SUM), slice_cstr(want));
	arena_reset(&a);
	empty(dir);

	test_case("more recipients than one file takes");
	m.n_rcpts = 150;
	test_int(sendmail_spool(dir, &m), 0);
	test_int(count_files(dir, name), 2);
	empty(dir);
	test_case("no directory");
	test_int(rmdir(dir), 0);
	test_int(sendmail_spool(dir, &m), -ENOENT);
}

/* A file that may not grow is as good as a full disk. */
static void
leaves_nothing_half(void **state)
{
	char dir[] = "/tmp/ulak-sendmail-XXXXXX", name[64];
	int status = 0;
	pid_t pid;

	(void)state;
	test_case("full");
	test_true(mkdtemp(dir) != NULL);
	pid = fork();
	if (pid == 0) {
		struct slice rcpt = SLICE("c@d.example");
		static uint8_t body[20000];
		struct sendmail_mail m = { .rcpts = &rcpt,
			.n_rcpts = 1,
			.body = slice_of(body, sizeof(body)) };
		struct rlimit limit = { 10000, 10000 };

		(void)signal(SIGXFSZ, SIG_IGN);
		(void)setrlimit(RLIMIT_FSIZE, &limit);
		_exit(sendmail_spool(dir, &m) == -EFBIG ? 0 : 1);
	}
	test_int(waitpid(pid, &status, 0), pid);
	test_int(status, 0);
	test_int(count_files(dir, name), 0);
	test_int(rmdir(dir), 0);
}

TEST_MAIN(cmocka_unit_test(reads_its_words),
    cmocka_unit_test(takes_no_more_than_it_can),
    cmocka_unit_test(leaves_whole_files), cmocka_unit_test(leaves_nothing_half))
