/* SPDX-License-Identifier: ISC */
/*
 * What `ulak send` makes of a file, and what it says about the answers. The
 * server is a few lines of C in a process of its own; TLS is tried end to end.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/test.h"
#include "cli/cli.h"

enum {
	TEXT_MAX = 64 * 1024,
	ARGS_MAX = 12,
	LINE = 4096
};

#define ID "01JD8F0T5Q00000000000000AB"

struct place {
	char dir[64], message[96], spool[96], out[96], err[96], port[8];
	int listener;
};

/* -- a server ----------------------------------------------------------------
 */

static const char *
reply_to(const char *line)
{
	static const struct {
		const char *verb, *reply;
	} replies[] = {
		{ "EHLO",
		    "250-x\r\n250-8BITMIME\r\n250-SIZE 9999999\r\n"
		    "250-AUTH PLAIN\r\n250 PIPELINING\r\n" },
		{ "AUTH", "235 2.7.0 welcome\r\n" },
		{ "MAIL FROM:<gone@", "421 4.3.0 going down\r\n" },
		{ "MAIL", "250 2.1.0 ok\r\n" },
		{ "RCPT TO:<bad", "550 5.1.1 nobody \x1b[31mhere\r\n" },
		{ "RCPT", "250 2.1.5 ok\r\n" },
		{ "DATA", "354 go on\r\n" },
		{ "RSET", "250 ok\r\n" },
		{ "QUIT", "221 bye\r\n" },
	};

	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
		if (strncmp(line, replies[i].verb, strlen(replies[i].verb)) ==
		    0)
			return replies[i].reply;
	return "500 what?\r\n";
}

/* Keeps the body as it came, the final dot included. */
static void
take_body(FILE *in, FILE *out, FILE *spool)
{
	char line[LINE];

	while (fgets(line, sizeof(line), in) != NULL) {
		(void)fputs(line, spool);
		if (strcmp(line, ".\r\n") == 0)
			break;
	}
	(void)fputs("250 2.0.0 " ID " it is here\r\n", out);
	(void)fflush(out);
}

static void
serve(const struct place *p)
{
	int fd = accept(p->listener, NULL, NULL);
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	FILE *spool = fopen(p->spool, "w");
	char line[LINE];
	const char *reply;

	if (in == NULL || out == NULL || spool == NULL)
		_exit(1);
	(void)fputs("220 x\r\n", out);
	(void)fflush(out);
	while (fgets(line, sizeof(line), in) != NULL) {
		reply = reply_to(line);
		(void)fputs(reply, out);
		(void)fflush(out);
		if (strncmp(reply, "354", 3) == 0)
			take_body(in, out, spool);
		if (strncmp(reply, "221", 3) == 0 ||
		    strncmp(reply, "421", 3) == 0)
			break;
	}
	(void)fclose(spool);
	_exit(0);
}

/* -- a run
 * --------------------------------------------------------------------- */

static void
place_init(struct place *p)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/ulak-test-XXXXXX");
	test_true(mkdtemp(p->dir) != NULL);
	(void)snprintf(p->message, sizeof(p->message), "%s/m", p->dir);
	(void)snprintf(p->spool, sizeof(p->spool), "%s/s", p->dir);
	(void)snprintf(p->out, sizeof(p->out), "%s/o", p->dir);
	(void)snprintf(p->err, sizeof(p->err), "%s/e", p->dir);
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	test_int(bind(p->listener, (const struct sockaddr *)&at, sizeof(at)),
	    0);
	test_int(listen(p->listener, 5), 0);
	test_int(getsockname(p->listener, (struct sockaddr *)&at, &len), 0);
	(void)snprintf(p->port, sizeof(p->port), "%u", ntohs(at.sin_port));
}

static void
place_deinit(struct place *p)
{
	const char *const files[] = { p->message, p->spool, p->out, p->err };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		(void)unlink(files[i]);
	(void)rmdir(p->dir);
	(void)close(p->listener);
}

static struct slice
read_file(const char *path, char *text)
{
	FILE *f = fopen(path, "r");
	size_t n = f == NULL ? 0 : fread(text, 1, TEXT_MAX, f);

	if (f != NULL)
		(void)fclose(f);
	return slice_of(text, n);
}

static int
run_command(const struct place *p, const char *const words[ARGS_MAX])
{
	const char *argv[ARGS_MAX + 12] = { "ulak", "send", "-c",
		"/nonexistent", "--server", "127.0.0.1", "--port", p->port,
		"--file", p->message };
	int argc = 10;

	for (size_t i = 0; i < ARGS_MAX && words[i] != NULL; i++)
		argv[argc++] = words[i];
	(void)dup2(open(p->out, O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
	(void)dup2(open(p->err, O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
	argc = cli_main(argc, (char **)(uintptr_t)argv);
	(void)fflush(NULL);
	return argc;
}

static int
send_one(const struct place *p, struct slice message,
    const char *const words[ARGS_MAX])
{
	FILE *f = fopen(p->message, "w");
	pid_t server, command;
	int status = 0;

	test_true(f != NULL);
	test_int(fwrite(message.at, 1, message.len, f), message.len);
	(void)fclose(f);
	(void)unlink(p->spool);
	server = fork();
	if (server == 0)
		serve(p);
	command = fork();
	if (command == 0)
		_exit(run_command(p, words));
	test_int(waitpid(command, &status, 0), command);
	/* a command that never came leaves the server waiting */
	if (access(p->spool, F_OK) != 0)
		(void)kill(server, SIGTERM);
	test_int(waitpid(server, NULL, 0), server);
	test_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define PLAIN "--plain", "--no-auth", "-f", "a@one.example", "b@two.example"

/* LIMIT_MESSAGE_SIZE_MAX: a file of one octet more, all of it a hole. */
static void
refuses_a_file_too_large(void **state)
{
	static const char *const words[ARGS_MAX] = { PLAIN };
	static char text[TEXT_MAX];
	struct place p;
	pid_t command;
	int status = 0, fd;

	(void)state;
	place_init(&p);
	fd = open(p.message, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	test_int(ftruncate(fd, (off_t)LIMIT_MESSAGE_SIZE_MAX + 1), 0);
	(void)close(fd);
	command = fork();
	if (command == 0)
		_exit(run_command(&p, words));
	test_int(waitpid(command, &status, 0), command);
	test_true(WIFEXITED(status));
	test_int(WEXITSTATUS(status), 1);
	test_true(slice_find(read_file(p.err, text), SLICE("File too large")) !=
	    SIZE_MAX);
	place_deinit(&p);
}

static const struct {
	const char *what;
	struct slice file, want;
} messages[] = {
	{ "LF", SLICE("S: x\n\nhi\n"), SLICE("S: x\r\n\r\nhi\r\n.\r\n") },
	{ "CRLF stays", SLICE("S: x\r\n\r\nhi\r\n"),
	    SLICE("S: x\r\n\r\nhi\r\n.\r\n") },
	{ "CR alone", SLICE("S: x\r\rhi\r"), SLICE("S: x\r\n\r\nhi\r\n.\r\n") },
	{ "all of them mixed", SLICE("a: b\rc: d\ne: f\r\n\n\r\n\rx"),
	    SLICE("a: b\r\nc: d\r\ne: f\r\n\r\n\r\n\r\nx\r\n.\r\n") },
	{ "no line end at the end", SLICE("S: x\n\nhi"),
	    SLICE("S: x\r\n\r\nhi\r\n.\r\n") },
	{ "an mbox line goes", SLICE("From a Mon\nS: x\n\nFrom b\n"),
	    SLICE("S: x\r\n\r\nFrom b\r\n.\r\n") },
	{ "a field that only looks like one", SLICE("From: a\n\nhi\n"),
	    SLICE("From: a\r\n\r\nhi\r\n.\r\n") },
	{ "dots", SLICE("S: x\n\n.\n..\n.a\n"),
	    SLICE("S: x\r\n\r\n..\r\n...\r\n..a\r\n.\r\n") },
	{ "8 bits", SLICE("S: \xc3\xa9\n\n\xff\n"),
	    SLICE("S: \xc3\xa9\r\n\r\n\xff\r\n.\r\n") },
	{ "nothing at all", SLICE(""), SLICE(".\r\n") },
};

static void
makes_mail_of_files(void **state)
{
	static const char *const words[ARGS_MAX] = { PLAIN };
	static char text[TEXT_MAX];
	struct place p;

	(void)state;
	place_init(&p);
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		test_case(messages[i].what);
		test_int(send_one(&p, messages[i].file, words), 0);
		test_slice(read_file(p.spool, text), messages[i].want);
		test_slice(read_file(p.out, text), SLICE(ID "\n"));
		test_slice(read_file(p.err, text), SLICE(""));
	}
	place_deinit(&p);
}

static const struct {
	const char *what;
	const char *words[ARGS_MAX];
	int status;
	const char *out, *err, *never;
} runs[] = {
	{ "one of two is refused, and cannot write on the terminal",
	    { PLAIN, "bad@two.example" }, 1, ID "\n",
	    "ulak: bad@two.example: 550 nobody ?[31mhere\n", "\x1b" },
	{ "all are refused",
	    { "--plain", "--no-auth", "-f", "a@one.example",
		"bad@two.example" },
	    1, "", "550", ID },
	{ "the dialogue, without the secret", { PLAIN, "-v" }, 0, ID "\n",
	    "RCPT TO:<b@two.example>", "c2VjcmV0" },
	{ "a login, its secret masked",
	    { "--plain", "-v", "-f", "a@one.example", "b@two.example" }, 0,
	    ID "\n", "AUTH PLAIN", "AGFAb25lLmV4YW1wbGUAc2VjcmV0" },
	{ "JSON", { PLAIN, "--json" }, 0, "\"id\": \"" ID "\"", "", "ulak:" },
	{ "no TLS is offered, so no password goes",
	    { "-f", "a@one.example", "b@two.example" }, 1, "",
	    "ulak: ", "235 " }, /* a port may have these digits */
	{ "the server goes away",
	    { "--plain", "--no-auth", "-f", "gone@one.example",
		"b@two.example" },
	    1, "", "421", ID },
	{ "not an address",
	    { "--plain", "--no-auth", "-f", "a@one.example", "b c" }, 1, "",
	    "ulak: b c: ", ID },
};

static bool
has(struct slice text, const char *part)
{
	return slice_find(text, slice_cstr(part)) != SIZE_MAX;
}

static void
tells_what_became_of_it(void **state)
{
	static char text[TEXT_MAX];
	struct place p;

	(void)state;
	test_int(setenv("ULAK_PASSWORD", "secret", 1), 0);
	place_init(&p);
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		test_case(runs[i].what);
		test_int(send_one(&p, SLICE("S: x\n\nhi\n"), runs[i].words),
		    runs[i].status);
		test_true(has(read_file(p.out, text), runs[i].out));
		test_true(!has(read_file(p.out, text), runs[i].never));
		if (!has(read_file(p.err, text), runs[i].err))
			print_error("said \"%.*s\"\n",
			    SLICE_FMT(read_file(p.err, text)));
		test_true(has(read_file(p.err, text), runs[i].err));
		test_true(!has(read_file(p.err, text), runs[i].never));
	}
	place_deinit(&p);
}

TEST_MAIN(cmocka_unit_test(refuses_a_file_too_large),
    cmocka_unit_test(makes_mail_of_files),
    cmocka_unit_test(tells_what_became_of_it))
