import { Module } from '@nestjs/common';
import { OrdersController } from './orders.controller.ts';
import { ReportsController } from './reports.controller.ts';

@Module({ controllers: [OrdersController, ReportsController] })
export class OrdersModule {}
