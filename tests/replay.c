/* SPDX-License-Identifier: ISC */
/*
 * tests/replay - runs a fuzz target without a fuzzer
 *
 * usage: fuzz_NAME DIR...  Every file of each directory goes in as it is, then
 * in mutations made from a fixed seed, so that the normal test run repeats
 * what the fuzzers found and looks a little further each time code changes.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FILE_MAX = 1024 * 1024,
	MUTATIONS = 200 /* of each file */
};

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A copy exactly as long as the input, so that ASan guards its edge. */
static void
run_exact(const uint8_t *at, size_t n)
{
	uint8_t *copy = malloc(n == 0 ? 1 : n);

	if (copy == NULL)
		abort();
	if (n > 0)
		memcpy(copy, at, n);
	(void)LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static size_t
mutate(uint8_t *at, size_t n, uint64_t *random)
{
	static const uint8_t nasty[] = { 0, '\r', '\n', '.', ' ', '"', '\\',
		'<', '>', '(', ')', '{', '}', '*', '%', 0x7f, 0x80, 0xff };
	unsigned edits = 1 + (unsigned)(next_random(random) % 4);

	while (edits-- > 0 && n > 0) {
		size_t i = (size_t)(next_random(random) % n);

		switch (next_random(random) % 4) {
		case 0:
			at[i] = nasty[next_random(random) % sizeof(nasty)];
			break;
		case 1:
			at[i] ^= (uint8_t)(1u << (next_random(random) % 8));
			break;
		case 2:
			memmove(at + i, at + i + 1, n - i - 1);
			n--;
			break;
		default:
			n = i; /* cut short */
			break;
		}
	}
	return n;
}

static int
replay_file(const char *path)
{
	static uint8_t original[FILE_MAX], work[FILE_MAX];
	uint64_t random = 0x9e3779b97f4a7c15u;
	FILE *f = fopen(path, "rb");
	size_t n;

	if (f == NULL)
		return -1;
	n = fread(original, 1, sizeof(original), f);
	(void)fclose(f);
	run_exact(original, n);
	for (int i = 0; i < MUTATIONS; i++) {
		memcpy(work, original, n);
		run_exact(work, mutate(work, n, &random));
	}
	return 0;
}

static int
replay_dir(const char *dir)
{
	struct dirent *e;
	char path[4096];
	DIR *d = opendir(dir);
	int n = 0;

	if (d == NULL) {
		perror(dir);
		return -1;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (replay_file(path) == 0)
			n++;
	}
	(void)closedir(d);
	return n;
}

int
main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay_dir(argv[i]);

		if (n < 0)
			return 1;
		total += n;
	}
	if (total == 0) {
		(void)fprintf(stderr, "no corpus: nothing was tried\n");
		return 1;
	}
	(void)printf("%d files, %d runs\n", total, total * (MUTATIONS + 1));
	return 0;
}
