import { type INestApplication, ValidationPipe } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { OrdersModule } from './orders/orders.module.ts';

/** What the server and the tests have in common. */
export function configure(app: INestApplication): void {
  app.setGlobalPrefix('v1');
  app.useGlobalPipes(new ValidationPipe({ whitelist: true }));
  const document = new DocumentBuilder().setTitle('Shop').build();
  SwaggerModule.setup('docs', app, () =>
    SwaggerModule.createDocument(app, document, { include: [OrdersModule] }),
  );
}
