/* SPDX-License-Identifier: ISC */
#include "imap/list_match.h"

int
imap_names_compare(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < n; i++) {
		int x = a.at[i] == '/' ? 0 : a.at[i];
		int y = b.at[i] == '/' ? 0 : b.at[i];

		if (x != y)
			return x - y;
	}
	return a.len < b.len ? -1 : a.len > b.len;
}

bool
imap_name_is_below(struct slice name, struct slice parent)
{
	return name.len > parent.len && name.at[parent.len] == '/' &&
	    slice_starts(name, parent);
}

/* The last '*' and the last '%' are remembered; going back to them is enough,
 * since '%' cannot leave its level. */
bool
imap_list_matches(struct slice pattern, struct slice name, bool nocase)
{
	size_t p = 0, n = 0;
	size_t star = SIZE_MAX, star_n = 0, level = SIZE_MAX, level_n = 0;

	for (;;) {
		if (p < pattern.len && pattern.at[p] == '*') {
			star = ++p;
			star_n = n;
			level = SIZE_MAX;
		} else if (p < pattern.len && pattern.at[p] == '%') {
			level = ++p;
			level_n = n;
		} else if (p < pattern.len && n < name.len &&
		    (pattern.at[p] == name.at[n] ||
			(nocase && ascii_upper(pattern.at[p]) == name.at[n]))) {
			p++;
			n++;
		} else if (p == pattern.len && n == name.len) {
			return true;
		} else if (level != SIZE_MAX && level_n < name.len &&
		    name.at[level_n] != '/') {
			p = level;
			n = ++level_n;
		} else if (star != SIZE_MAX && star_n < name.len) {
			p = star;
			n = ++star_n;
			level = SIZE_MAX;
		} else {
			return false;
		}
	}
}
