/* SPDX-License-Identifier: ISC */
/*
 * cli/init - makes a server out of nothing, and overwrites nothing
 *
 * Data directory, master secret, store with its schema, a TLS key with a
 * self-signed certificate, the first domain and account, and at last the
 * configuration file. What has been made is taken away again when a step
 * fails. The store and keeper code runs in this one process, under the
 * directory's lock; no server runs yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/admin.h"
#include "cli/init_users.h"
#include "roles/keeper/keys.h"
#include "roles/keeper/set.h"
#include "store/store.h"
#include "sys/env_posix.h"
#include "sys/spawn.h"

enum {
	PASSWORD_MADE = 20, /* of 32 letters: 100 bits */
	CERTIFICATE_DAYS = 3650,
	OFFSET_USER = 20000, /* of ports, for who is not root */
	TREE_FDS = 16,
	CONFIG_CAP = 64 * 1024
};

struct init {
	struct cli *cli;
	const char *data, *config, *hostname, *domain, *account;
	char data_path[SETTINGS_PATH];
	char password[CLI_PASSWORD_MAX + 1];
	bool password_is_made, drop_users, has_ipv6;
	unsigned port_offset;
	/* while it is made */
	struct env *env;
	struct env_dir *dir;
	struct store *store;
	struct keeper_master *master;
};

/* -- what is wanted ------------------------------------------------------- */

static int
need(struct init *in, const char *option, const char **ret)
{
	*ret = cli_option(in->cli, option);
	if (*ret == NULL || (*ret)[0] == '\0')
		return cli_fail(CLI_USAGE, "--%s is missing", option);
	return CLI_OK;
}

/* No letters that are taken for one another: base 32 without i, l, o and 1. */
static void
make_password(struct init *in)
{
	static const char letters[] = "abcdefghjkmnpqrstuvwxyz023456789";
	uint8_t bytes[PASSWORD_MADE];

	randombytes_buf(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		in->password[i] = letters[bytes[i] % 32];
	in->password[sizeof(bytes)] = '\0';
	sodium_memzero(bytes, sizeof(bytes));
	in->password_is_made = true;
}

static int
take_password(struct init *in)
{
	if (cli_option(in->cli, "password-file") != NULL ||
	    cli_option(in->cli, "password-stdin") != NULL)
		return cli_password(in->cli, in->account, in->password);
	make_password(in);
	return CLI_OK;
}

static int
take_offset(struct init *in)
{
	const char *text = cli_option(in->cli, "port-offset");
	uint64_t n = 0;

	in->port_offset = geteuid() == 0 ? 0 : OFFSET_USER;
	if (text == NULL)
		return CLI_OK;
	if (!slice_to_u64(slice_cstr(text), 64000, &n))
		return cli_fail(CLI_USAGE, "--port-offset is 0 to 64000");
	in->port_offset = (unsigned)n;
	return CLI_OK;
}

/* Whatever is written into the file stands between these quotes. */
static bool
has_quote(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text == '\'' || (uint8_t)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

/* A path from the present directory, which a server cannot use. */
static int
make_absolute(struct init *in)
{
	char here[SETTINGS_PATH];
	int n;

	if (in->data[0] == '/')
		return CLI_OK;
	if (getcwd(here, sizeof(here)) == NULL)
		return cli_fail(CLI_REFUSED, "--data: %s", strerror(errno));
	n = snprintf(in->data_path, sizeof(in->data_path), "%s/%s", here,
	    in->data);
	if (n < 0 || (size_t)n >= sizeof(in->data_path))
		return cli_fail(CLI_USAGE, "--data is too long");
	in->data = in->data_path;
	return CLI_OK;
}

/* The host name and paths are judged by the same parser as the file's. */
static int
check_settings(struct init *in)
{
	struct settings_error err = { 0 };
	struct settings s;
	struct buf text;
	int r;

	if (has_quote(in->hostname) || has_quote(in->data))
		return cli_fail(CLI_USAGE,
		    "--hostname and --data hold no quotes and control "
		    "characters");
	buf_init(&text, CONFIG_CAP);
	r = buf_printf(&text, "[server]\nhostname = '%s'\ndata = '%s'\n",
	    in->hostname, in->data);
	if (r == 0)
		r = settings_parse(buf_slice(&text), "init", &s, &err);
	buf_deinit(&text);
	if (r == SETTINGS_E_INVALID)
		return cli_fail(CLI_USAGE, "%s", err.text);
	return r == 0 ? CLI_OK : cli_fail(CLI_REFUSED, "%s", strerror(-r));
}

static int
take_options(struct init *in)
{
	const char *at;
	int r = CLI_OK;

	if ((r = need(in, "data", &in->data)) != CLI_OK ||
	    (r = need(in, "hostname", &in->hostname)) != CLI_OK ||
	    (r = need(in, "domain", &in->domain)) != CLI_OK ||
	    (r = need(in, "account", &in->account)) != CLI_OK)
		return r;
	/* init makes the file that -c would name; --config says the same */
	in->config = in->cli->config;
	at = strrchr(in->account, '@');
	if (at == NULL || at == in->account ||
	    strcasecmp(at + 1, in->domain) != 0)
		return cli_fail(CLI_USAGE,
		    "the account is an address in the domain: NAME@%s",
		    in->domain);
	r = take_offset(in);
	if (r == CLI_OK)
		r = make_absolute(in);
	if (r == CLI_OK)
		r = check_settings(in);
	return r == CLI_OK ? take_password(in) : r;
}

/* -- the data directory --------------------------------------------------- */

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/* mkdir with its parent, which may be there. */
static int
make_parent(const char *path)
{
	char parent[SETTINGS_PATH + 1];
	char *slash;

	if (!slice_to_cstr(slice_cstr(path), parent, sizeof(parent)))
		return -ENAMETOOLONG;
	slash = strrchr(parent, '/');
	if (slash == NULL || slash == parent)
		return 0;
	*slash = '\0';
	if (mkdir(parent, 0755) == -1 && errno != EEXIST)
		return -errno;
	return 0;
}

static int
make_directory(struct init *in)
{
	int r;

	if (access(in->config, F_OK) == 0)
		return cli_fail(CLI_REFUSED,
		    "%s is there already; nothing was changed", in->config);
	r = make_parent(in->data);
	if (r == 0 && mkdir(in->data, 0700) == -1)
		r = -errno;
	/* An empty directory of ours may have been made for us. */
	if (r == -EEXIST && rmdir(in->data) == 0)
		r = mkdir(in->data, 0700) == -1 ? -errno : 0;
	if (r == -EEXIST)
		return cli_fail(CLI_REFUSED,
		    "%s is there already; nothing was changed", in->data);
	if (r != 0)
		return cli_fail(CLI_REFUSED, "%s: %s", in->data, strerror(-r));
	return CLI_OK;
}

static int
failed(const struct init *in, const char *step, int r)
{
	return cli_fail(CLI_REFUSED, "%s: %s: %s", in->data, step,
	    r < 0 ? strerror(-r) : "refused");
}

static int
open_store(struct init *in)
{
	const struct env_posix_options how = { .role = "init",
		.log_level = ENV_WARN };
	const struct store_options options = { .create = true };
	int r = env_posix_new(&how, &in->env);

	if (r != 0)
		return failed(in, "environment", r);
	r = env_dir_open(in->env, in->data, &in->dir);
	if (r != 0)
		return failed(in, "data directory", r);
	r = store_open(in->env, in->dir, &options, &in->store);
	if (r > 0)
		return cli_fail(CLI_REFUSED, "%s: %s", in->data,
		    store_open_text(r));
	return r == 0 ? CLI_OK : failed(in, "store", r);
}

static int
make_key(struct init *in)
{
	char names[KEEPER_NAMES_MAX];
	struct buf sealed, chain;
	int r = keeper_master_create(in->env, in->dir);

	if (r != 0)
		return failed(in, "master secret", r);
	r = keeper_master_read(in->dir, &in->master);
	if (r != 0)
		return failed(in, "master secret", r);
	(void)snprintf(names, sizeof(names), "%s%s", in->hostname,
	    strcmp(in->hostname, "localhost") == 0 ? "" : " localhost");
	buf_init(&sealed, KEEPER_SEALED_MAX);
	buf_init(&chain, KEEPER_CHAIN_MAX);
	r = keeper_key_make(in->master, slice_cstr(names), CERTIFICATE_DAYS,
	    env_wall(in->env), &sealed, &chain);
	if (r == KEEPER_OK)
		r = store_key_add(in->store, slice_cstr(names),
		    buf_slice(&sealed), buf_slice(&chain), true);
	buf_deinit(&sealed);
	buf_deinit(&chain);
	return r == 0 ? CLI_OK : failed(in, "TLS key", r);
}

static int
make_account(struct init *in)
{
	char verifier[KEEPER_SET];
	uint64_t account = 0;
	int r = store_domain_add(in->store, slice_cstr(in->domain));

	if (r > 0)
		return cli_fail(CLI_REFUSED, "\"%s\" is not a domain name",
		    in->domain);
	if (r < 0)
		return failed(in, "domain", r);
	r = keeper_set_make(in->master, slice_cstr(in->account),
	    slice_cstr(in->password), false, verifier);
	if (r == -EINVAL)
		return cli_fail(CLI_REFUSED, "\"%s\" is not an address",
		    in->account);
	if (r != 0)
		return failed(in, "password", r);
	r = store_account_add(in->store, slice_cstr(in->account), SLICE(""),
	    slice_cstr(verifier), &account);
	if (r > 0)
		return cli_fail(CLI_REFUSED, "\"%s\" is not an address",
		    in->account);
	return r == 0 ? CLI_OK : failed(in, "account", r);
}

static void
close_all(struct init *in)
{
	if (in->master != NULL)
		keeper_master_free(in->master);
	if (in->store != NULL)
		store_close(in->store);
	if (in->dir != NULL)
		env_dir_close(in->dir);
	if (in->env != NULL)
		env_posix_free(in->env);
}

/* -- the configuration file ----------------------------------------------- */

static bool
can_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 any = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	bool ok = fd != -1 &&
	    bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0;

	if (fd != -1)
		(void)close(fd);
	return ok;
}

static int
add_listeners(const struct init *in, struct buf *out)
{
	int r = 0;

	/* lmtp is for who asks for it */
	for (unsigned i = SERVICE_MX; i < SERVICE_LMTP && r == 0; i++)
		r = buf_printf(out,
		    "\n[[listener]]\nservice = \"%s\"\naddress = %s\nport = "
		    "%u\n",
		    settings_service_names[i],
		    in->has_ipv6 ? "[\"0.0.0.0\", \"::\"]" : "\"0.0.0.0\"",
		    settings_service_ports[i] + in->port_offset);
	return r;
}

/* Users of the machine cannot reach into a data directory of the server's. */
static int
add_local(const struct init *in, struct buf *out)
{
	int r = buf_add_cstr(out,
	    "# Mail of programs on this machine: ulak sendmail.\n[local]\n");

	if (r == 0 && slice_is_ascii(slice_cstr(in->domain)))
		r = buf_printf(out,
		    "# Follows names that have none, such as root.\n"
		    "domain = \"%s\"\n",
		    in->domain);
	if (r == 0 && in->drop_users)
		r = buf_add_cstr(out,
		    "socket = \"/run/ulak/submit.sock\"\n"
		    "spool = \"/var/spool/ulak\"\n");
	return r == 0 ? buf_add_cstr(out,
			    "\n# One for each service and port; mx is what "
			    "other servers speak to.\n")
		      : r;
}

static int
fill_config(const struct init *in, struct buf *out)
{
	int r = buf_printf(out,
	    "# Ulak on this machine. ulak.toml(5) tells every setting;\n"
	    "# `ulak config show --origin` the values in force.\n"
	    "# Domains, accounts and aliases are not here: `ulak domain`,\n"
	    "# `ulak account`, `ulak alias`.\n\n"
	    "[server]\n"
	    "# Said in greetings and trace fields; its address should lead "
	    "back to it.\n"
	    "hostname = '%s'\n"
	    "data = '%s'\n"
	    "# As root, each role becomes its own system user.\n"
	    "drop_users = %s\n\n"
	    "[smtp]\n"
	    "max_size = \"50MiB\"\n\n"
	    "[outbound]\n"
	    "# How long delivery is tried before the sender gets a bounce.\n"
	    "lifetime = \"5d\"\n\n",
	    in->hostname, in->data, in->drop_users ? "true" : "false");

	if (r == 0)
		r = add_local(in, out);
	return r == 0 ? add_listeners(in, out) : r;
}

static int
write_config(const struct init *in)
{
	struct buf text;
	struct slice rest;
	int fd, r = make_parent(in->config);

	buf_init(&text, CONFIG_CAP);
	if (r == 0)
		r = fill_config(in, &text);
	fd = r != 0
	    ? -1
	    : open(in->config, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (r == 0 && fd == -1)
		r = -errno;
	for (rest = buf_slice(&text); r == 0 && rest.len > 0;) {
		ssize_t n = write(fd, rest.at, rest.len);

		if (n == -1 && errno != EINTR)
			r = -errno;
		rest = slice_from(rest, n > 0 ? (size_t)n : 0);
	}
	if (fd != -1 && fsync(fd) == -1 && r == 0)
		r = -errno;
	if (fd != -1)
		(void)close(fd);
	buf_deinit(&text);
	if (r != 0 && fd != -1)
		(void)unlink(in->config);
	return r == 0
	    ? CLI_OK
	    : cli_fail(CLI_REFUSED, "%s: %s", in->config, strerror(-r));
}

/* -- all of it ------------------------------------------------------------ */

static int
make_all(struct init *in)
{
	int r = open_store(in);

	if (r == CLI_OK)
		r = make_key(in);
	if (r == CLI_OK)
		r = make_account(in);
	close_all(in);
	if (r == CLI_OK && in->drop_users)
		r = init_users_own(in->data);
	return r == CLI_OK ? write_config(in) : r;
}

static int
tell_json(const struct init *in)
{
	json_t *told = json_pack("{s:s, s:s, s:s, s:i, s:b}", "data", in->data,
	    "config", in->config, "account", in->account, "port_offset",
	    (int)in->port_offset, "drop_users", in->drop_users ? 1 : 0);
	int r;

	if (in->password_is_made)
		(void)json_object_set_new(told, "password",
		    json_string(in->password));
	r = admin_print_json(told);
	json_decref(told);
	return r;
}

static int
tell(const struct init *in)
{
	if (in->cli->json)
		return tell_json(in);
	(void)printf("data      %s\nconfig    %s\naccount   %s\n", in->data,
	    in->config, in->account);
	if (in->password_is_made)
		(void)printf("password  %s\n", in->password);
	(void)printf("ports     SMTP %u, submission %u and %u, IMAP %u and %u, "
		     "POP3 %u and %u\n",
	    25 + in->port_offset, 587 + in->port_offset, 465 + in->port_offset,
	    143 + in->port_offset, 993 + in->port_offset, 110 + in->port_offset,
	    995 + in->port_offset);
	(void)printf("Back up %s/keys/master apart from the rest: without it "
		     "the TLS keys cannot be used.\n"
		     "Start it: ulak serve -c %s\n",
	    in->data, in->config);
	return CLI_OK;
}

static int
run_init(struct cli *cli)
{
	struct init in = { .cli = cli };
	int r;

	if (sodium_init() < 0)
		return cli_fail(CLI_REFUSED, "no randomness");
	(void)umask(022); /* the data directory says its own modes */
	r = take_options(&in);
	in.drop_users =
	    cli_option(cli, "no-users") == NULL && spawn_can_change_user();
	in.has_ipv6 = can_ipv6();
	if (r == CLI_OK)
		r = make_directory(&in);
	if (r == CLI_OK) {
		if (in.drop_users)
			r = init_users_make();
		if (r == CLI_OK)
			r = make_all(&in);
		if (r != CLI_OK)
			(void)nftw(in.data, remove_one, TREE_FDS,
			    FTW_DEPTH | FTW_PHYS);
	}
	if (r == CLI_OK)
		r = tell(&in);
	sodium_memzero(in.password, sizeof(in.password));
	return r;
}

static const struct cli_option options[] = {
	{ "data", 0, CLI_TEXT, "DIR", "data directory; must not be there yet",
	    true },
	{ "hostname", 0, CLI_TEXT, "HOST", "name of this mail server", true },
	{ "domain", 0, CLI_TEXT, "DOMAIN", "first domain that is served",
	    true },
	{ "account", 0, CLI_TEXT, "ADDRESS", "first account, in that domain",
	    true },
	{ "password-file", 0, CLI_TEXT, "FILE",
	    "its password is the file's only line", true },
	{ "password-stdin", 0, CLI_FLAG, NULL,
	    "its password comes on standard input", true },
	{ "port-offset", 0, CLI_NUMBER, "N",
	    "added to every port (0 as root, else 20000)", true },
	{ "no-users", 0, CLI_FLAG, NULL,
	    "as root: make and use no system users", true },
	{ NULL, 0, CLI_TEXT, NULL, NULL, false },
};

static const struct cli_action actions[] = {
	{ NULL, NULL, 0, 0, NULL, options, run_init, NULL },
};

const struct cli_command cli_init = { "init",
	"makes a new server: data directory, keys, first account, "
	"configuration",
	CLI_ACTIONS(actions),
	"Writes the configuration to the file that -c (--config) names and "
	"overwrites nothing.\nWithout a password option a password is made "
	"and printed.\n" };
