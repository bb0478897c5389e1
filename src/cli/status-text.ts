/** A status as a person reads it, within 80 columns. Pure. */
import { printable } from '../shared/log-text.ts';
import type { Status, WorkerStatus } from '../shared/status.ts';

const COLUMNS = 80;

/** @param now  when it is read, for ages */
export function statusText(status: Status, now: Date): string {
  return printable([...head(status, now), '', ...table(status.workers)].join('\n').concat('\n'));
}

/** `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h` */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [minutes, hours, days] = [60, 3600, 86_400].map((unit) => Math.floor(seconds / unit)) as [
    number,
    number,
    number,
  ];
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min` : `${seconds} s`;
}

function head(status: Status, now: Date): string[] {
  const { name, pid, tsgun, node, capacity, rollout, lastRollout, lastDeath } = status;
  const ago = (time: string) => `${duration(now.getTime() - Date.parse(time))} ago`;
  const lines = [
    `${name} (pid ${pid}), tsgun ${tsgun} on Node ${node}, up ${duration(now.getTime() - Date.parse(status.startedAt))}`,
    `${status.state}${status.ready ? '' : ', not ready'}: generation ${status.generation}, ${capacity.serving} of ${capacity.of} workers serve${capacity.reason === undefined ? '' : ` (${capacity.reason})`}`,
    `addresses: ${status.addresses.join(', ') || 'none yet'}`,
  ];
  if (rollout) {
    const proven = rollout.proven ? 'it has proved itself' : 'it has not proved itself yet';
    lines.push(
      `rollout of generation ${rollout.generation} (${rollout.strategy}), begun ${ago(rollout.startedAt)}: ${proven}`,
    );
  }
  if (lastRollout) lines.push(`last rollout: ${lastRollout.outcome}, ${ago(lastRollout.at)}: ${lastRollout.message}`);
  if (lastDeath) {
    const { worker, slot, cause, at } = lastDeath;
    const process = lastDeath.pid === undefined ? '' : `pid ${lastDeath.pid}, `;
    lines.push(`last death: worker ${worker} (${process}slot ${slot}), ${ago(at)}: ${cause}`);
  }
  return lines.flatMap(fold);
}

const titles = ['ID', 'SLOT', 'PID', 'GEN', 'STAGE', 'AGE', 'REASON'];

/** Numbers to the right, words to the left. */
const isWord = (column: number) => column === 4 || column === 6;

function table(workers: readonly WorkerStatus[]): string[] {
  const rows = workers.map(({ id, slot, pid, generation, stage, ageMs, reason }) =>
    [id, slot, pid ?? '-', generation, stage, duration(ageMs), reason ?? ''].map((cell) => oneLine(String(cell))),
  );
  const shown = rows.some((row) => row.at(-1) !== '') ? titles : titles.slice(0, -1);
  const widths = shown.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    widths
      .map((width, column) => (isWord(column) ? row[column]!.padEnd(width) : row[column]!.padStart(width)))
      .join('  ');
  return [titles, ...rows].map((row) => cut(line(row).trimEnd()));
}

const cut = (line: string) => (line.length > COLUMNS ? `${line.slice(0, COLUMNS - 1)}…` : line);

const oneLine = (text: string) => text.replaceAll(/\s+/g, ' ');

/** Breaks a line between words; what follows is indented. */
function fold(text: string): string[] {
  const lines: string[] = [];
  for (const word of oneLine(text).split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= COLUMNS) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(last === undefined ? word : `  ${word}`);
  }
  return lines;
}
