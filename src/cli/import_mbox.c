/* SPDX-License-Identifier: ISC */
/*
 * cli/import_mbox - a file of mails, or a directory of such files
 *
 * A directory's files are mailboxes by their names (".mbox" at the end does
 * not count), its directories are levels of names. What does not begin with a
 * line "From " is told and left out. mail/mbox reads.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/import.h"
#include "mail/mbox.h"

enum {
	DEPTH = 32
};

static int
put_mail(struct importer *im, const char *path, const char *mailbox, size_t n,
    const struct mbox_mail *mail)
{
	struct import_mail m = {
		.mailbox = mailbox, .date = mail->date, .zone = mail->zone
	};
	struct mbox_words words = { 0 };
	char label[IMPORT_PATH + 32];
	struct buf bytes;
	int r = CLI_OK;

	(void)snprintf(label, sizeof(label), "%s: mail %zu", path, n);
	m.label = label;
	buf_init(&bytes, SIZE_MAX / 4);
	buf_init(&words.keywords, 1024 * 1024);
	if (mbox_read(mail, &bytes, &words) != 0 ||
	    buf_add_byte(&words.keywords, '\0') != 0)
		r = cli_fail(CLI_REFUSED, "%s: out of memory", label);
	m.bytes = buf_slice(&bytes);
	m.flags = words.flags;
	if (r == CLI_OK && !words.is_internal) {
		m.keywords = (const char *)buf_slice(&words.keywords).at;
		r = import_put(im, &m);
	}
	buf_deinit(&bytes);
	buf_deinit(&words.keywords);
	return r;
}

static int
take_mails(struct importer *im, const char *path, const char *mailbox,
    struct slice file)
{
	struct mbox_mail mail;
	size_t n = 0;
	int r = slice_starts(file, SLICE("From ")) ? import_mailbox(im, mailbox)
						   : CLI_OK;

	while (r == CLI_OK && mbox_next(&file, &mail))
		r = put_mail(im, path, mailbox, ++n, &mail);
	if (n == 0 && file.len > 0)
		import_skip(path, "no mbox: it does not begin with From");
	return r;
}

/* Mapped: it may be larger than memory. */
static int
take_file(struct importer *im, const char *path, const char *name)
{
	char mailbox[IMPORT_NAME];
	struct stat st;
	int r = CLI_OK,
	    fd = im->root_fd != -1 ? import_open(im, path, 0)
				   : open(path, O_RDONLY | O_CLOEXEC);
	void *at;

	if (fd == -1 || fstat(fd, &st) != 0) {
		import_skip(path, strerror(errno));
	} else if (!import_name(im, name, mailbox)) {
		import_skip(path, "its name is none for a mailbox");
	} else if (S_ISREG(st.st_mode) && st.st_size == 0) {
		r = import_mailbox(im, mailbox);
	} else if (S_ISREG(st.st_mode)) {
		at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd,
		    0);
		if (at == MAP_FAILED) {
			import_skip(path, strerror(errno));
		} else {
			r = take_mails(im, path, mailbox,
			    slice_of(at, (size_t)st.st_size));
			(void)munmap(at, (size_t)st.st_size);
		}
	}
	if (fd != -1)
		(void)close(fd);
	return r;
}

static int
compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int take_directory(struct importer *im, const char *path,
    const char *name, unsigned depth);

static int
take_entry(struct importer *im, const char *path, const char *name,
    const char *entry, unsigned depth)
{
	char below[IMPORT_PATH], full[IMPORT_NAME];
	size_t n = strlen(entry);
	struct stat st;

	if (entry[0] == '.' ||
	    snprintf(below, sizeof(below), "%s/%s", path, entry) >=
		(int)sizeof(below) ||
	    lstat(below, &st) != 0)
		return CLI_OK;
	if (S_ISREG(st.st_mode) && n > 5 && strcmp(entry + n - 5, ".mbox") == 0)
		n -= 5;
	if (snprintf(full, sizeof(full), "%s%s%.*s", name,
		name[0] == '\0' ? "" : "/", (int)n, entry) >= (int)sizeof(full))
		return CLI_OK;
	return S_ISDIR(st.st_mode) ? take_directory(im, below, full, depth + 1)
	    : S_ISREG(st.st_mode)  ? take_file(im, below, full)
				   : CLI_OK;
}

static int
take_directory(struct importer *im, const char *path, const char *name,
    unsigned depth)
{
	struct dirent **all;
	int fd = import_open(im, path, O_DIRECTORY), r = CLI_OK;
	int n = depth < DEPTH && fd != -1
	    ? scandirat(fd, ".", &all, NULL, compare_names)
	    : -1;

	if (fd != -1)
		(void)close(fd);

	for (int i = 0; i < n; i++) {
		if (r == CLI_OK)
			r = take_entry(im, path, name, all[i]->d_name, depth);
		free(all[i]);
	}
	if (n >= 0)
		free(all);
	return r;
}

int
import_mbox(struct importer *im, const char *path)
{
	struct stat st;
	int r;

	if (stat(path, &st) != 0)
		return cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return take_file(im, path, "");
	r = import_open_root(im, path);
	return r == CLI_OK ? take_directory(im, path, "", 0) : r;
}
