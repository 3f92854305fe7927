<?php

namespace Greeting;

final class Greeting
{
    public static function say(): string
    {
        return (getenv('GREETING') ?: 'Hello') . ' from PHP ' . PHP_VERSION;
    }
}
