/* SPDX-License-Identifier: ISC */
/*
 * sys/log - one logfmt line an event, one write a line
 *
 * ts= level= role= event= and then what the caller gives. A line longer than
 * LINE is cut, and a line end or another control inside it becomes a space,
 * so that no text can forge a line of its own or move a terminal.
 */
#include "sys/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "sys/posix.h"

enum {
	LINE = 4096
};

const char *
log_quote(struct slice s, char *at, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0, last = size - 6; /* room for `..."` and NUL */

	at[n++] = '"';
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.at[i];
		bool is_escaped = c == '"' || c == '\\';
		size_t need = is_escaped ? 2 : ascii_is_print(c) ? 1 : 4;

		if (n + need > last) {
			memcpy(at + n, "...", 3);
			n += 3;
			break;
		}
		if (is_escaped) {
			at[n++] = '\\';
			at[n++] = (char)c;
		} else if (need == 1) {
			at[n++] = (char)c;
		} else {
			at[n++] = '\\';
			at[n++] = 'x';
			at[n++] = hex[c >> 4];
			at[n++] = hex[c & 15];
		}
	}
	at[n++] = '"';
	at[n] = '\0';
	return at;
}

static size_t
cut(int n, size_t size)
{
	return n < 0 ? 0 : (size_t)n >= size ? size - 1 : (size_t)n;
}

void
posix_log(struct env *env, enum env_level level, const char *event,
    const char *format, va_list ap)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	struct env_posix *p = ENV_POSIX(env);
	char line[LINE], ts[TIME_RFC3339];
	int64_t now = env_wall(env);
	size_t n;

	if ((unsigned)level > p->log_level)
		return;
	time_print_rfc3339(now, ts);
	n = cut(snprintf(line, sizeof(line) - 1,
		    "ts=%.19s.%03dZ level=%s role=%s event=%s ", ts,
		    (int)(now / TIME_MS % 1000), names[level], p->role, event),
	    sizeof(line) - 1);
	n += cut(vsnprintf(line + n, sizeof(line) - 1 - n, format, ap),
	    sizeof(line) - 1 - n);
	for (size_t i = 0; i < n; i++)
		if ((uint8_t)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	while (n > 0 && line[n - 1] == ' ')
		n--;
	line[n++] = '\n';
	(void)!write(p->log_fd, line, n);
}
