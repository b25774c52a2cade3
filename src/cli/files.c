/* SPDX-License-Identifier: ISC */
/*
 * cli/files - what commands read: the configuration, passwords, messages
 *
 * Passwords come from a file, from standard input or from a terminal with its
 * echo off; never from the arguments, which everybody on the machine can see.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"

enum {
	READ_FIRST = 64 * 1024
};

/* Room for more in *text, up to one byte beyond cap; 0 or -errno. */
static int
grow(char **text, size_t *size, size_t cap)
{
	size_t more = *size == 0 ? READ_FIRST : *size * 2;
	char *grown;

	if (more > cap + 1)
		more = cap + 1;
	if (more <= *size)
		return -EFBIG;
	grown = realloc(*text, more);
	if (grown == NULL)
		return -ENOMEM;
	*text = grown;
	*size = more;
	return 0;
}

static int
read_all(int fd, size_t cap, char **ret, size_t *ret_len)
{
	size_t len = 0, size = 0;
	char *text = NULL;
	ssize_t n = 1;
	int r = 0;

	while (r == 0 && n != 0) {
		if (len == size)
			r = grow(&text, &size, cap);
		if (r != 0)
			break;
		n = read(fd, text + len, size - len);
		if (n == -1 && errno != EINTR)
			r = -errno;
		len += n > 0 ? (size_t)n : 0;
	}
	if (r == 0 && len > cap)
		r = -EFBIG;
	if (r != 0) {
		free(text);
		return r;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}

int
cli_read_file(const char *path, size_t cap, char **ret, size_t *ret_len)
{
	struct stat st;
	int fd, r;

	if (strcmp(path, "-") == 0)
		return read_all(STDIN_FILENO, cap, ret, ret_len);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -errno;
	/* Not a gigabyte read before it is refused. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (uintmax_t)st.st_size > cap)
		r = -EFBIG;
	else
		r = read_all(fd, cap, ret, ret_len);
	(void)close(fd);
	return r;
}

int
cli_settings(struct cli *cli, struct settings *ret)
{
	struct settings_error err = { 0 };
	struct buf line;
	char *text = NULL;
	size_t len = 0;
	int r = cli_read_file(cli->config, LIMIT_CONFIG_FILE, &text, &len);

	if (r == -ENOENT)
		return cli_fail(CLI_REFUSED,
		    "%s: no such file; `ulak init` makes one, -c FILE and "
		    "$ULAK_CONFIG name another",
		    cli->config);
	if (r < 0)
		return cli_fail(CLI_REFUSED, "%s: %s", cli->config,
		    strerror(-r));
	r = settings_parse(slice_of(text, len), cli->config, ret, &err);
	free(text);
	if (r == SETTINGS_OK)
		return CLI_OK;
	if (r < 0)
		return cli_fail(CLI_REFUSED, "%s: %s", cli->config,
		    strerror(-r));
	buf_init(&line, 4096);
	(void)settings_error_print(&err, cli->config, &line);
	r = cli_fail(CLI_REFUSED, "%.*s", SLICE_FMT(buf_slice(&line)));
	buf_deinit(&line);
	return r;
}

/* -- passwords ------------------------------------------------------------ */

/* The first line of `text`, which must be all of it. */
static int
keep_password(const char *from, const char *text, size_t len,
    char password[CLI_PASSWORD_MAX + 1])
{
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len > 0 && text[len - 1] == '\r')
		len--;
	if (len == 0)
		return cli_fail(CLI_REFUSED, "%s: the password is empty", from);
	if (len > CLI_PASSWORD_MAX)
		return cli_fail(CLI_REFUSED,
		    "%s: the password is longer than %d bytes", from,
		    CLI_PASSWORD_MAX);
	if (memchr(text, '\n', len) != NULL || memchr(text, 0, len) != NULL)
		return cli_fail(CLI_REFUSED,
		    "%s: a password is one line, without NUL", from);
	memcpy(password, text, len);
	password[len] = '\0';
	return CLI_OK;
}

static int
read_password(const char *path, char password[CLI_PASSWORD_MAX + 1])
{
	const char *from = strcmp(path, "-") == 0 ? "standard input" : path;
	char *text = NULL;
	size_t len = 0;
	int r = cli_read_file(path, 2 * CLI_PASSWORD_MAX, &text, &len);

	if (r < 0)
		return cli_fail(CLI_REFUSED, "%s: %s", from, strerror(-r));
	r = keep_password(from, text, len, password);
	if (text != NULL)
		sodium_memzero(text, len);
	free(text);
	return r;
}

static int
ask_password(const char *whose, char password[CLI_PASSWORD_MAX + 1])
{
	char line[CLI_PASSWORD_MAX + 2];
	struct termios before, quiet;
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), r;
	ssize_t n;

	if (fd == -1 || tcgetattr(fd, &before) == -1) {
		if (fd != -1)
			(void)close(fd);
		return cli_fail(CLI_USAGE,
		    "no terminal to ask for the password; use --password-file "
		    "FILE or --password-stdin");
	}
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	(void)dprintf(fd, "Password for %s: ", whose);
	(void)tcsetattr(fd, TCSAFLUSH, &quiet);
	n = read(fd, line, sizeof(line));
	(void)tcsetattr(fd, TCSAFLUSH, &before);
	(void)dprintf(fd, "\n");
	(void)close(fd);
	r = n < 0 ? cli_fail(CLI_REFUSED, "terminal: %s", strerror(errno))
		  : keep_password("terminal", line, (size_t)n, password);
	sodium_memzero(line, sizeof(line));
	return r;
}

int
cli_password(struct cli *cli, const char *whose,
    char password[CLI_PASSWORD_MAX + 1])
{
	const char *file = cli_option(cli, "password-file");

	if (file != NULL && cli_option(cli, "password-stdin") != NULL)
		return cli_fail(CLI_USAGE,
		    "--password-file and --password-stdin exclude each other");
	if (file != NULL)
		return read_password(file, password);
	if (cli_option(cli, "password-stdin") != NULL)
		return read_password("-", password);
	return ask_password(whose, password);
}
