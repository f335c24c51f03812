/** An empty Nest application: what NestJS itself takes to start. `node empty-nest.js <port>` */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

function Empty() {}
Module({})(Empty);

const app = await NestFactory.create(Empty, { logger: false });
await app.listen(Number(process.argv[2]), '127.0.0.1');
console.log('listening');
