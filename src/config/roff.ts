/**
 * Turns the Markdown of our manual pages into man(7): headings, paragraphs, lists, fenced code and tables, with bold,
 * italic, code and links inside. An item whose first line ends in a backslash is a tagged paragraph, and so is the row of a
 * table: its first cell is the tag.
 * @param page  what the title says: name and section, the date of the last change, the program and its version
 */
export function toRoff(
  markdown: string,
  page: { name: string; section: number; date: string; source: string },
): string {
  const title = ['.TH', page.name.toUpperCase(), page.section, page.date, page.source];
  const lines = blocksOf(markdown.replace(/<!--.*?-->\n?/gs, '').split('\n')).flatMap(write);
  return [
    '.\\" Generated from the Markdown beside it: npm run generate',
    title.map((word, index) => (index === 0 ? word : quoted(String(word)))).join(' '),
    // A heading makes a paragraph by itself.
    ...lines.filter((line, index) => line !== '.PP' || !/^\.S[HS] /.test(lines[index - 1] ?? '')),
    '',
  ].join('\n');
}

type Block =
  | { type: 'heading'; level: number; text: string }
  | { type: 'code'; lines: string[] }
  | { type: 'text'; text: string }
  | { type: 'item'; tag: string | undefined; blocks: Block[] };

function blocksOf(lines: string[]): Block[] {
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at]!;
    const until = (end: (line: string) => boolean) => {
      const from = at;
      while (at < lines.length && !end(lines[at]!)) at++;
      return lines.slice(from, at);
    };
    if (line.trim() === '' || line.startsWith('# ')) at++;
    else if (line.startsWith('#')) {
      const [, marks = '', text = ''] = /^(#+) (.*)/.exec(line) ?? [];
      blocks.push({ type: 'heading', level: marks.length, text });
      at++;
    } else if (line.startsWith('```')) {
      at++;
      blocks.push({ type: 'code', lines: until((l) => l.startsWith('```')) });
      at++;
    } else if (line.startsWith('|')) {
      blocks.push(
        ...until((l) => !l.startsWith('|'))
          .slice(2)
          .map(tableRow),
      );
    } else if (line.startsWith('- ')) {
      lines[at] = `  ${line.slice(2)}`;
      blocks.push(itemOf(until((l) => l.trim() !== '' && !l.startsWith('  ')).map((l) => l.slice(2))));
    } else blocks.push({ type: 'text', text: until((l) => l.trim() === '' || /^(- |```|\||#)/.test(l)).join('\n') });
  }
  return blocks;
}

function itemOf(lines: string[]): Block {
  const first = lines[0]!;
  const tag = first.endsWith('\\') ? first.slice(0, -1) : undefined;
  return { type: 'item', tag, blocks: blocksOf(tag === undefined ? lines : lines.slice(1)) };
}

function tableRow(line: string): Block {
  const [tag, ...rest] = line
    .slice(1, line.lastIndexOf('|'))
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
  return { type: 'item', tag: tag!, blocks: [{ type: 'text', text: rest.join('; ') }] };
}

function write(block: Block): string[] {
  switch (block.type) {
    case 'heading':
      return block.level === 2 ? [`.SH ${quoted(block.text)}`] : [`.SS ${quoted(block.text)}`];
    case 'text':
      return ['.PP', ...textLines(block.text)];
    case 'code':
      return ['.PP', '.RS 4', '.EX', ...block.lines.map((line) => guarded(literal(line))), '.EE', '.RE'];
    case 'item': {
      const [first, ...rest] = block.blocks;
      const head = block.tag === undefined ? ['.IP \\(bu 2'] : ['.TP', ...textLines(block.tag)];
      const body = first === undefined ? [] : first.type === 'text' ? textLines(first.text) : write(first);
      return [
        ...head,
        ...body,
        ...rest.flatMap((each) => (each.type === 'text' ? ['.IP', ...textLines(each.text)] : write(each))),
      ];
    }
  }
}

const textLines = (text: string) =>
  inline(text)
    .split('\n')
    .map((line) => guarded(line.trim()));

/** Bold for what is typed as it is, italic for what stands for something else. */
function inline(text: string): string {
  const token = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\(([^)]+)\)|([^`*[]+|.)/gs;
  return text.replace(token, (_, code, bold, italic, label, target, plain) => {
    if (code !== undefined) return `\\fB${literal(code)}\\fR`;
    if (bold !== undefined) return `\\fB${literal(bold)}\\fR`;
    if (italic !== undefined) return `\\fI${literal(italic)}\\fR`;
    if (label !== undefined)
      return /^https?:/.test(target) ? `${inline(label)} <${literal(target)}>` : crossReference(label);
    return escaped(plain.replaceAll(/\\([|*_`<>\\])/g, '$1'));
  });
}

/** `tsgun(1)`: the name bold, as man pages have it. */
const crossReference = (label: string) => inline(label.replace(/^(\S+)(\(\d\))$/, '**$1**$2'));

const escaped = (text: string) =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll(
      /[^\n\x20-\x7e]/gu,
      (char) => `\\[u${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}]`,
    );

const SPECIAL: Record<string, string> = { '-': '\\-', "'": '\\(aq', '`': '\\(ga', '^': '\\(ha', '~': '\\(ti' };

/** Text that is to be copied: its hyphens and quotes stay what they are. */
const literal = (text: string) => escaped(text).replaceAll(/[-'`^~]/g, (char) => SPECIAL[char]!);

/** A line that begins with a dot or a quote would be a request. */
const guarded = (line: string) => (/^[.']/.test(line) ? `\\&${line}` : line);

const quoted = (text: string) => `"${escaped(text).replaceAll('"', '\\(dq')}"`;
