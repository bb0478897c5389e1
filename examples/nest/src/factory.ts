import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

/** The application without a listen() of its own: `tsgun dist/factory.js:create`. */
export function create(): Promise<INestApplication> {
  return NestFactory.create(AppModule);
}
