import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.ts';
import { configure } from './configure.ts';

const app = await NestFactory.create(AppModule);
configure(app);
app.enableShutdownHooks();
await app.listen(8080, 'localhost');
