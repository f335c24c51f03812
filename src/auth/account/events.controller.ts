import {
  type BeforeApplicationShutdown,
  Controller,
  Get,
  Inject,
  Req,
  Res,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { BffError } from '../../errors.ts';
import { refuseForeignPage } from '../../session/cookie/csrf.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../../session/session-options.ts';
import { SessionReaderService } from '../../session/sessions/session-reader.service.ts';
import { SessionEvents } from './session-events.ts';

/** Streams the state of the session to a page without extending the session. */
@Controller({ version: VERSION_NEUTRAL })
export class EventsController implements BeforeApplicationShutdown {
  constructor(
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
    private readonly sessions: SessionReaderService,
    private readonly events: SessionEvents,
  ) {}

  /** `GET /bff/events` */
  @Get('events')
  async open(@Req() request: Request, @Res() response: Response): Promise<void> {
    // `EventSource` cannot send the CSRF header.
    refuseForeignPage(request.headers, this.options.publicUrl);
    const session = await this.sessions.peek(request.headers.cookie);
    if (!session) throw new BffError('not_signed_in');
    this.events.open(session, response);
  }

  /**
   * Ends the streams before the server waits for its connections, because they never end by
   * themselves.
   */
  beforeApplicationShutdown(): void {
    this.events.drain();
  }
}
