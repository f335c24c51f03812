import { Module } from '@nestjs/common';
import { BffModule } from 'pixie-bff';
import { bffOptions } from './bff-options.ts';
import { OrdersModule } from './orders/orders.module.ts';

@Module({
  imports: [BffModule.forRootAsync({ useFactory: bffOptions }), OrdersModule],
})
export class AppModule {}
