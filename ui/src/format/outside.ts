/** Text from outside, made harmless to look at: what would be invisible, or would move other text, becomes visible. */

/** C0 without tab and newline, DEL, C1; marks of direction; separators and fillers that look like nothing; broken surrogates. */
const INVISIBLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|\p{Surrogate}/gu;

/** The same text with its invisible characters shown: `␀`, `␛`, `⟨U+202E⟩`. Tabs and newlines stay. */
export function visibleText(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(INVISIBLE, shown);
}

/** For one line: tabs and newlines shown, too. */
export function visibleLine(text: string): string {
  return visibleText(text).replaceAll('\n', '␊').replaceAll('\t', ' ');
}

function shown(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return '␡';
  if (code >= 0xd800 && code <= 0xdfff) return '\ufffd';
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
}

/** The first `limit` characters, not ending in half a one. */
export function cut(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const last = text.charCodeAt(limit - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit);
}
