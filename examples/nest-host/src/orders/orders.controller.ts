import { Body, Controller, Delete, Get, Post, UseGuards } from '@nestjs/common';
import { CurrentUser, Require, SignedInGuard, type User } from 'pixie-bff';
import { OrderDto } from './order.dto.ts';

/** The claims that the provider of this application sends. */
interface Staff {
  readonly roles: readonly string[];
}

@Controller('orders')
@UseGuards(SignedInGuard)
export class OrdersController {
  readonly #orders: { readonly by: string; readonly article: string; readonly amount: number }[] =
    [];

  @Get()
  list(@CurrentUser<Staff>() user: User<Staff>) {
    const isAdmin = user.claims.roles.includes('admin');
    return this.#orders.filter(({ by }) => isAdmin || by === user.sub);
  }

  @Post()
  create(@CurrentUser() user: User, @Body() order: OrderDto) {
    const created = { by: user.sub, ...order };
    this.#orders.push(created);
    return created;
  }

  @Require({ claim: 'roles', any: ['admin'] })
  @Delete()
  clear() {
    return { removed: this.#orders.splice(0).length };
  }
}
