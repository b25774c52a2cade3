/* SPDX-License-Identifier: ISC */
/* Sealed keys open under their own master only; certificates are what clients
 * expect; the master is made once and read whole. */
#include "base/test.h"

#include <errno.h>
#include <unistd.h>

#include <openssl/x509v3.h>

#include "base/time.h"
#include "roles/keeper/keys.h"
#include "sys/env_posix.h"

struct world {
	struct env *env;
	char dir[64];
	struct env_dir *data;
	struct keeper_master *master;
};

static int
setup(void **state)
{
	static const struct env_posix_options options = { .role = "test",
		.log_level = ENV_ERROR };
	struct world *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -1;
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/ulak-keys-XXXXXX");
	if (mkdtemp(w->dir) == NULL || env_posix_new(&options, &w->env) < 0 ||
	    env_dir_open(w->env, w->dir, &w->data) < 0 ||
	    keeper_master_create(w->env, w->data) < 0 ||
	    keeper_master_read(w->data, &w->master) != 0)
		return -1;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;
	char path[96];

	keeper_master_free(w->master);
	(void)env_dir_unlink(w->data, "keys/master");
	env_dir_close(w->data);
	env_posix_free(w->env);
	(void)snprintf(path, sizeof(path), "%s/keys", w->dir);
	(void)rmdir(path);
	(void)rmdir(w->dir);
	free(w);
	return 0;
}

static void
write_master(struct world *w, size_t n)
{
	static uint8_t bytes[64];
	struct iovec v = { bytes, n };
	struct env_file *f;

	(void)env_dir_unlink(w->data, "keys/master");
	test_int(env_file_open(w->data, "keys/master",
		     ENV_FILE_WRITE | ENV_FILE_CREATE, &f),
	    0);
	if (n > 0)
		test_true(env_file_pwritev(f, &v, 1, 0) >= 0);
	env_file_close(f);
}

static void
master_secret(void **state)
{
	struct world *w = *state;
	struct keeper_master *m;
	uint8_t a[KEEPER_KEY], b[KEEPER_KEY];

	test_int(keeper_master_create(w->env, w->data), -EEXIST);
	test_int(keeper_master_read(w->data, &m), 0);
	keeper_master_derive(w->master, 16, a);
	keeper_master_derive(m, 16, b);
	test_true(memcmp(a, b, sizeof(a)) == 0);
	keeper_master_derive(m, 17, b);
	test_true(memcmp(a, b, sizeof(a)) != 0);
	keeper_master_free(m);

	write_master(w, 31);
	test_int(keeper_master_read(w->data, &m), KEEPER_E_MASTER);
	write_master(w, 33);
	test_int(keeper_master_read(w->data, &m), KEEPER_E_MASTER);
	write_master(w, 0);
	test_int(keeper_master_read(w->data, &m), KEEPER_E_MASTER);
	test_int(env_dir_unlink(w->data, "keys/master"), 0);
	test_int(keeper_master_read(w->data, &m), -ENOENT);
}

static X509 *
first_cert(struct slice chain)
{
	const unsigned char *at = chain.at + 4;
	X509 *x = d2i_X509(NULL, &at, (long)chain.len - 4);

	test_true(x != NULL && at == chain.at + chain.len);
	return x;
}

/* A password comes back as it was, and is no key; a key is no password. */
static void
secrets_sealed_and_opened(void **state)
{
	struct world *w = *state;
	uint8_t secret[KEEPER_SECRET_MAX], damaged[KEEPER_SEALED_MAX];
	struct buf sealed, key, chain;
	EVP_PKEY *pkey;
	size_t n = 0;

	buf_init(&sealed, KEEPER_SEALED_MAX);
	buf_init(&key, KEEPER_SEALED_MAX);
	buf_init(&chain, KEEPER_CHAIN_MAX);
	test_int(keeper_secret_seal(w->master, SLICE("hop secret"), &sealed),
	    KEEPER_OK);
	test_int(slice_find(buf_slice(&sealed), SLICE("secret")), SIZE_MAX);
	test_int(keeper_secret_open(w->master, buf_slice(&sealed), secret, &n),
	    KEEPER_OK);
	test_slice(slice_of(secret, n), SLICE("hop secret"));
	test_int(keeper_key_open(w->master, buf_slice(&sealed), &pkey),
	    KEEPER_E_SEALED);
	test_int(keeper_key_make(w->master, SLICE("mx.one.example"), 1,
		     env_wall(w->env), &key, &chain),
	    KEEPER_OK);
	test_int(keeper_secret_open(w->master, buf_slice(&key), secret, &n),
	    KEEPER_E_SEALED);
	for (size_t i = 0; i <= sealed.len; i++) {
		memcpy(damaged, buf_slice(&sealed).at, sealed.len);
		if (i < sealed.len)
			damaged[i] ^= 1;
		test_int(keeper_secret_open(w->master,
			     slice_of(damaged,
				 i < sealed.len ? sealed.len : sealed.len - 1),
			     secret, &n),
		    KEEPER_E_SEALED);
	}
	buf_deinit(&sealed);
	buf_deinit(&key);
	buf_deinit(&chain);
}

static void
made_and_opened(void **state)
{
	struct world *w = *state;
	struct buf sealed, chain;
	int64_t wall = env_wall(w->env);
	time_t now = (time_t)(wall / TIME_SECOND), later = now + 89 * 86400,
	       much_later = now + 91 * 86400;
	EVP_PKEY *key;
	X509 *x;

	buf_init(&sealed, KEEPER_SEALED_MAX);
	buf_init(&chain, KEEPER_CHAIN_MAX);
	test_int(keeper_key_make(w->master, SLICE("mx.one.example localhost"),
		     90, wall, &sealed, &chain),
	    KEEPER_OK);
	test_int(keeper_key_open(w->master, buf_slice(&sealed), &key), 0);
	x = first_cert(buf_slice(&chain));
	test_int(X509_verify(x, key), 1);
	test_int(EVP_PKEY_eq(X509_get0_pubkey(x), key), 1);
	test_int(X509_check_host(x, "mx.one.example", 0, 0, NULL), 1);
	test_int(X509_check_host(x, "localhost", 0, 0, NULL), 1);
	test_int(X509_check_host(x, "two.example", 0, 0, NULL), 0);
	test_true(X509_cmp_time(X509_get0_notBefore(x), &now) < 0);
	test_true(X509_cmp_time(X509_get0_notAfter(x), &later) > 0);
	test_true(X509_cmp_time(X509_get0_notAfter(x), &much_later) < 0);
	test_int(X509_check_ca(x), 0);
	X509_free(x);
	EVP_PKEY_free(key);

	test_case("any bit changed: it does not open");
	for (size_t i = 0; i < sealed.len; i += i < 40 ? 1 : 13) {
		struct slice copy = test_exact_copy(buf_slice(&sealed));

		((uint8_t *)(uintptr_t)copy.at)[i] ^= 1;
		test_int(keeper_key_open(w->master, copy, &key),
		    KEEPER_E_SEALED);
		test_free_copy(copy);
	}
	test_case("cut short at any place");
	for (size_t n = 0; n < sealed.len; n += n < 60 ? 1 : 17) {
		struct slice copy =
		    test_exact_copy(slice_upto(buf_slice(&sealed), n));

		test_int(keeper_key_open(w->master, copy, &key),
		    KEEPER_E_SEALED);
		test_free_copy(copy);
	}
	test_case("another master");
	(void)env_dir_unlink(w->data, "keys/master");
	test_int(keeper_master_create(w->env, w->data), 0);
	keeper_master_free(w->master);
	test_int(keeper_master_read(w->data, &w->master), 0);
	test_int(keeper_key_open(w->master, buf_slice(&sealed), &key),
	    KEEPER_E_SEALED);
	buf_deinit(&sealed);
	buf_deinit(&chain);
}

static void
other_kinds(void **state)
{
	struct world *w = *state;
	OSSL_LIB_CTX *lib = keeper_master_lib(w->master);
	EVP_PKEY *rsa = EVP_PKEY_Q_keygen(lib, NULL, "RSA", (size_t)4096);
	EVP_PKEY *p384 = EVP_PKEY_Q_keygen(lib, NULL, "EC", "P-384");
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(lib, NULL, "ED25519");
	EVP_PKEY *got;
	struct buf sealed;

	buf_init(&sealed, KEEPER_SEALED_MAX);
	test_int(keeper_key_seal(w->master, p384, &sealed), KEEPER_E_KIND);
	test_int(keeper_key_seal(w->master, ed, &sealed), KEEPER_E_KIND);
	test_int(sealed.len, 0);
	test_int(keeper_key_seal(w->master, rsa, &sealed), KEEPER_OK);
	test_int(keeper_key_open(w->master, buf_slice(&sealed), &got), 0);
	test_int(EVP_PKEY_eq(rsa, got), 1);
	EVP_PKEY_free(got);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(p384);
	EVP_PKEY_free(ed);
	buf_deinit(&sealed);
}

static const struct {
	const char *what;
	struct slice names;
	uint32_t days;
	int want;
} wishes[] = {
	{ "one", SLICE("one.example"), 1, KEEPER_OK },
	{ "wildcard", SLICE("*.one.example"), 1, KEEPER_OK },
	{ "longer than a subject may be",
	    SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.example"),
	    1, KEEPER_OK },
	{ "none", SLICE(""), 1, KEEPER_E_NAMES },
	{ "space at the end", SLICE("one.example "), 1, KEEPER_E_NAMES },
	{ "two spaces", SLICE("a.example  b.example"), 1, KEEPER_E_NAMES },
	{ "comma", SLICE("a.example,DNS:b.example"), 1, KEEPER_E_NAMES },
	{ "line end", SLICE("a.example\n"), 1, KEEPER_E_NAMES },
	{ "NUL", SLICE("a.example\0.b"), 1, KEEPER_E_NAMES },
	{ "empty label", SLICE("a..example"), 1, KEEPER_E_NAMES },
	{ "star inside", SLICE("a.*.example"), 1, KEEPER_E_NAMES },
	{ "no days", SLICE("one.example"), 0, KEEPER_E_DAYS },
	{ "too many days", SLICE("one.example"), 4000000, KEEPER_E_DAYS },
};

static void
names_and_days(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
		struct slice names = test_exact_copy(wishes[i].names);
		struct buf sealed, chain;

		test_case(wishes[i].what);
		buf_init(&sealed, KEEPER_SEALED_MAX);
		buf_init(&chain, KEEPER_CHAIN_MAX);
		test_int(keeper_key_make(w->master, names, wishes[i].days,
			     env_wall(w->env), &sealed, &chain),
		    wishes[i].want);
		test_int(chain.len > 0, wishes[i].want == KEEPER_OK);
		buf_deinit(&sealed);
		buf_deinit(&chain);
		test_free_copy(names);
	}
}

TEST_MAIN(cmocka_unit_test_setup_teardown(master_secret, setup, teardown),
    cmocka_unit_test_setup_teardown(secrets_sealed_and_opened, setup, teardown),
    cmocka_unit_test_setup_teardown(made_and_opened, setup, teardown),
    cmocka_unit_test_setup_teardown(other_kinds, setup, teardown),
    cmocka_unit_test_setup_teardown(names_and_days, setup, teardown))
