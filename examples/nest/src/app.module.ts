import { Controller, Get, Injectable, Module } from '@nestjs/common';

@Injectable()
class Greetings {
  hello(): string {
    return `hello from worker ${process.pid}\n`;
  }
}

@Controller()
class GreetingsController {
  constructor(private readonly greetings: Greetings) {}

  @Get()
  hello(): string {
    return this.greetings.hello();
  }
}

@Module({ controllers: [GreetingsController], providers: [Greetings] })
export class AppModule {}
