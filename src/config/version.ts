import { version as own } from '../../package.json';

/** The version of tsgun. */
export const version: string = own;
