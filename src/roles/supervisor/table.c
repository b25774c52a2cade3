/* SPDX-License-Identifier: ISC */
/*
 * roles/supervisor/table - the child that parses the configuration
 *
 * It runs without privileges and ends when it has written its table.
 */
#include "roles/supervisor/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"
#include "roles/role.h"

int
supervisor_config_read(int fd, struct slice *ret)
{
	char *text = malloc(LIMIT_CONFIG_FILE + 1);
	size_t len = 0;
	int r = 0;

	if (text == NULL)
		return -ENOMEM;
	while (len <= LIMIT_CONFIG_FILE) {
		ssize_t n = pread(fd, text + len, LIMIT_CONFIG_FILE + 1 - len,
		    (off_t)len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			r = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (r == 0 && len > LIMIT_CONFIG_FILE)
		r = -EFBIG;
	if (r < 0) {
		free(text);
		return r;
	}
	*ret = slice_of(text, len);
	return 0;
}

void
supervisor_table_fill(struct supervisor_table *t, const struct settings *s)
{
	memset(t, 0, sizeof(*t));
	memcpy(t->listeners, s->listeners, sizeof(t->listeners));
	t->n_listeners = s->n_listeners;
	t->fronts = s->fronts;
	t->log_level = s->log_level;
	t->drop_users = s->drop_users;
	t->has_hooks = s->n_hooks > 0;
	memcpy(t->data, s->data, sizeof(t->data));
	memcpy(t->control, s->control, sizeof(t->control));
	memcpy(t->local, s->local_socket, sizeof(t->local));
	memcpy(t->spool, s->local_spool, sizeof(t->spool));
}

static bool
is_listener_sane(const struct settings_listener *l)
{
	if (memchr(l->path, '\0', sizeof(l->path)) == NULL ||
	    memchr(l->user, '\0', sizeof(l->user)) == NULL ||
	    memchr(l->group, '\0', sizeof(l->group)) == NULL)
		return false;
	if (l->family == 0)
		return l->service == SERVICE_LMTP && l->path[0] == '/' &&
		    l->mode != 0 && (l->mode & ~0777u) == 0;
	return l->service >= SERVICE_MX && l->service <= SERVICE_LMTP &&
	    (l->family == 4 || l->family == 6) && l->port != 0;
}

static bool
is_path_sane(const char path[SETTINGS_PATH])
{
	return path[0] != '\0' && memchr(path, '\0', SETTINGS_PATH) != NULL;
}

bool
supervisor_table_is_sane(const struct supervisor_table *t)
{
	if (t->n_listeners > LIMIT_LISTENERS || t->fronts < 1 ||
	    t->fronts > SUPERVISOR_FRONTS || t->drop_users > 1 ||
	    t->has_hooks > 1 || t->log_level > 3)
		return false;
	for (uint32_t i = 0; i < t->n_listeners; i++)
		if (!is_listener_sane(&t->listeners[i]))
			return false;
	return is_path_sane(t->data) && is_path_sane(t->control) &&
	    is_path_sane(t->local) && is_path_sane(t->spool);
}

static int
parse(int fd, const char *path, struct settings *ret)
{
	struct settings_error err = { 0 };
	struct slice text;
	int r = supervisor_config_read(fd, &text);

	if (r < 0) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(-r));
		return r;
	}
	r = settings_parse(text, path, ret, &err);
	free((void *)(uintptr_t)text.at);
	if (r < 0)
		(void)fprintf(stderr, "%s: %s\n", path, strerror(-r));
	else if (r != SETTINGS_OK)
		(void)fprintf(stderr, "%s:%u:%u: %s\n", path, err.line, err.col,
		    err.text);
	return r;
}

int
supervisor_config_main(int config_fd, int table_fd, const char *path)
{
	struct settings *s = calloc(1, sizeof(*s));
	struct supervisor_table t;
	int r = s == NULL ? -ENOMEM : parse(config_fd, path, s);

	if (r == 0) {
		supervisor_table_fill(&t, s);
		if (write(table_fd, &t, sizeof(t)) != sizeof(t))
			r = -EIO;
	}
	free(s);
	return r == 0 ? 0 : r < 0 ? ROLE_EXIT_TROUBLE : ROLE_EXIT_CONFIG;
}
