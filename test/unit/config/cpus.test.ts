import { expect, it } from 'vitest';
import { cpuCount } from '../../../src/config/cpus.ts';

/** A machine of 8 CPUs with these files. */
const cpus = (files: Record<string, string>, available = 8) =>
  cpuCount({
    available: () => available,
    read(path) {
      const text = files[path];
      if (text === undefined) throw new Error(`ENOENT ${path}`);
      return text;
    },
  });

const V2_MOUNT = '31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n';
const V1_MOUNTS =
  '30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n33 25 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n';

it('counts the CPUs that the scheduler allows where there is no quota', () => {
  expect(cpus({})).toBe(8);
  expect(
    cpus({ '/proc/self/cgroup': '0::/\n', '/proc/self/mountinfo': V2_MOUNT, '/sys/fs/cgroup/cpu.max': 'max 100000\n' }),
  ).toBe(8);
  expect(cpuCount()).toBeGreaterThanOrEqual(1);
});

it('keeps to the quota of version 2, and to those of the groups above', () => {
  const files = {
    '/proc/self/cgroup': '0::/system.slice/shop.service\n',
    '/proc/self/mountinfo': V2_MOUNT,
    '/sys/fs/cgroup/system.slice/shop.service/cpu.max': '400000 100000\n',
  };
  expect(cpus(files)).toBe(4);
  expect(cpus({ ...files, '/sys/fs/cgroup/system.slice/cpu.max': '200000 100000\n' })).toBe(2);
  expect(cpus({ ...files, '/sys/fs/cgroup/cpu.max': '300000 100000\n' }, 2)).toBe(2);
});

it('rounds down, but not to nothing', () => {
  const files = (quota: string) => ({
    '/proc/self/cgroup': '0::/\n',
    '/proc/self/mountinfo': V2_MOUNT,
    '/sys/fs/cgroup/cpu.max': quota,
  });
  expect(cpus(files('250000 100000\n'))).toBe(2);
  expect(cpus(files('50000 100000\n'))).toBe(1);
  expect(cpus(files('nonsense\n'))).toBe(8);
});

it('finds its group in a container that sees only a part of the tree', () => {
  const files = {
    '/proc/self/cgroup': '0::/docker/abc/child\n',
    '/proc/self/mountinfo': '31 23 0:27 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n',
    '/sys/fs/cgroup/child/cpu.max': 'max 100000\n',
    '/sys/fs/cgroup/cpu.max': '300000 100000\n',
  };
  expect(cpus(files)).toBe(3);
  expect(cpus({ ...files, '/proc/self/cgroup': '0::/../other\n' })).toBe(3);
});

it('keeps to the quota of version 1', () => {
  const files = {
    '/proc/self/cgroup': '5:memory:/shop\n4:cpu,cpuacct:/shop\n1:name=systemd:/shop\n',
    '/proc/self/mountinfo': V1_MOUNTS,
    '/sys/fs/cgroup/cpu,cpuacct/shop/cpu.cfs_quota_us': '200000\n',
    '/sys/fs/cgroup/cpu,cpuacct/shop/cpu.cfs_period_us': '100000\n',
    '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n',
    '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
  };
  expect(cpus(files)).toBe(2);
  expect(cpus({ ...files, '/sys/fs/cgroup/cpu,cpuacct/shop/cpu.cfs_quota_us': '-1\n' })).toBe(8);
});

it('tries the usual places when the mounts cannot be read', () => {
  expect(cpus({ '/proc/self/cgroup': '0::/a\n', '/sys/fs/cgroup/a/cpu.max': '100000 100000\n' })).toBe(1);
  expect(
    cpus({
      '/proc/self/cgroup': '4:cpu:/a\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '300000\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    }),
  ).toBe(3);
});
