import { ApiProperty } from '@nestjs/swagger';
import { IsInt, IsString, Min } from 'class-validator';

export class OrderDto {
  @ApiProperty()
  @IsString()
  article!: string;

  @ApiProperty()
  @IsInt()
  @Min(1)
  amount!: number;
}
