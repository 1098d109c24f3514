/* SPDX-License-Identifier: MIT */
#include "viewer/screen/keys.h"

#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	uint32_t key;
} names[] = {
	{ "Enter", KEY_IS_ENTER },
	{ "Esc", KEY_IS_ESC },
	{ "Tab", KEY_IS_TAB },
	{ "BackTab", KEY_IS_BACKTAB },
	{ "Backspace", KEY_IS_BACKSPACE },
	{ "Space", ' ' },
	{ "Up", KEY_IS_UP },
	{ "Down", KEY_IS_DOWN },
	{ "Left", KEY_IS_LEFT },
	{ "Right", KEY_IS_RIGHT },
	{ "PageUp", KEY_IS_PAGE_UP },
	{ "PageDown", KEY_IS_PAGE_DOWN },
	{ "Home", KEY_IS_HOME },
	{ "End", KEY_IS_END },
	{ "Delete", KEY_IS_DELETE },
	{ "lt", '<' },
	{ "gt", '>' },
	{ "C-l", KEY_IS_REDRAW },
	{ "F1", KEY_IS_F1 },
	{ "F2", KEY_IS_F2 },
	{ "F3", KEY_IS_F3 },
	{ "F4", KEY_IS_F4 },
	{ "F5", KEY_IS_F5 },
	{ "F6", KEY_IS_F6 },
	{ "F7", KEY_IS_F7 },
	{ "F8", KEY_IS_F8 },
	{ "F9", KEY_IS_F9 },
	{ "F10", KEY_IS_F10 },
	{ "WheelUp", KEY_IS_WHEEL_UP },
	{ "WheelDown", KEY_IS_WHEEL_DOWN },
};

static const struct {
	uint32_t key, motion;
} motions[] = {
	{ 'w', KEY_IS_UP },    { 'k', KEY_IS_UP },    { 's', KEY_IS_DOWN },
	{ 'j', KEY_IS_DOWN },  { 'a', KEY_IS_LEFT },  { 'h', KEY_IS_LEFT },
	{ 'd', KEY_IS_RIGHT }, { 'l', KEY_IS_RIGHT }, { 'H', KEY_IS_HOME },
	{ 'G', KEY_IS_END },
};

static uint32_t keys_by_name(const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i].name) == size &&
		    strncasecmp(names[i].name, name, size) == 0)
			return names[i].key;
	return KEY_IS_NONE;
}

bool key_parse(const char **text, uint32_t *ret)
{
	const unsigned char *s = (const unsigned char *)*text;

	if (!*s)
		return false;
	const char *end = *s == '<' ? strchr(*text, '>') : NULL;
	if (end) {
		*ret = keys_by_name(*text + 1, (size_t)(end - *text - 1));
		*text = end + 1;
		return true;
	}
	int more = *s < 0xc0 ? 0 : *s < 0xe0 ? 1 : *s < 0xf0 ? 2 : 3;
	uint32_t c = more ? *s & (0x3fu >> more) : *s;
	for (s++; more > 0 && (*s & 0xc0) == 0x80; more--)
		c = c << 6 | (*s++ & 0x3f);
	*ret = c;
	*text = (const char *)s;
	return true;
}

uint32_t key_as_motion(uint32_t key)
{
	for (size_t i = 0; i < sizeof(motions) / sizeof(*motions); i++)
		if (motions[i].key == key)
			return motions[i].motion;
	return key;
}
