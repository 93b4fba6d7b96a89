import { describe, expect, it } from 'vitest';
import { cut, visibleLine, visibleText } from '~/format/outside';

describe('visibleText', () => {
  it.each([
    ['plain <b>text</b>', 'plain <b>text</b>'],
    ['a\u0000b\u001b[31m', 'a␀b␛[31m'],
    ['del\u007f c1\u0085', 'del␡ c1⟨U+0085⟩'],
    ['abc\u202egnp.exe', 'abc⟨U+202E⟩gnp.exe'],
    ['\u2066x\u2069', '⟨U+2066⟩x⟨U+2069⟩'],
    ['zero\u200bwidth\ufeff', 'zero⟨U+200B⟩width⟨U+FEFF⟩'],
    ['half \ud83d emoji', 'half \ufffd emoji'],
    ['a\tb\nc\r\nd\re', 'a\tb\nc\nd␍e'],
    // Joiners and selectors make emoji and Persian what they are.
    ['👩‍🚀 ❤️ می‌خواهم', '👩‍🚀 ❤️ می‌خواهم'],
  ])('%j is %j', (text, shown) => expect(visibleText(text)).toBe(shown));

  it('keeps a line one line', () => expect(visibleLine('a\nb\tc')).toBe('a␊b c'));
});

describe('cut', () => {
  it('does not halve a character', () => {
    expect(cut('ab😀', 3)).toBe('ab');
    expect(cut('ab😀', 4)).toBe('ab😀');
    expect(cut('abc', 2)).toBe('ab');
    expect(cut('abc', 3)).toBe('abc');
  });
});
