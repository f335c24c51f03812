import { Controller, Get, Req, UseGuards } from '@nestjs/common';
import { BffService, SignedInGuard } from 'pixie-bff';
import type { IncomingMessage } from 'node:http';

/** Calls an API with the user's own token. */
@Controller('reports')
@UseGuards(SignedInGuard)
export class ReportsController {
  constructor(private readonly bff: BffService) {}

  @Get()
  async load(@Req() request: IncomingMessage) {
    const token = await this.bff.accessToken(request);
    const url = process.env['REPORTS_URL'] ?? 'http://localhost:3000/reports';
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    return response.json();
  }
}
