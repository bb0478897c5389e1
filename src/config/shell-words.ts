/**
 * Splits a text into words as a POSIX shell does: blanks separate, single quotes keep everything, double quotes and a
 * backslash keep blanks. Nothing is expanded.
 * @returns undefined when a quote is not closed
 */
export function shellWords(text: string): string[] | undefined {
  const token = /\s+|'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)|(.)/gsu;
  const words: string[] = [];
  let word: string | undefined;
  for (const [whole, single, double, escaped, plain, stray] of text.matchAll(token)) {
    if (stray !== undefined) return undefined;
    const part = single ?? double?.replace(/\\([\\"$`])/g, '$1') ?? escaped ?? plain;
    if (part !== undefined) word = (word ?? '') + part;
    else if (word !== undefined && whole.trim() === '') {
      words.push(word);
      word = undefined;
    }
  }
  return word === undefined ? words : [...words, word];
}
