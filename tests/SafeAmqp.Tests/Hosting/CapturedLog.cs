using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace SafeAmqp.Tests.Hosting;

/// <summary>Keeps log lines for a test to read.</summary>
internal sealed class CapturedLog : ILoggerProvider, ILogger
{
    internal ConcurrentQueue<(int Id, LogLevel Level, string Text)> Lines { get; } = new();

    public ILogger CreateLogger(string categoryName) => this;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        => Lines.Enqueue((eventId.Id, logLevel, formatter(state, exception)));

    public bool IsEnabled(LogLevel logLevel) => true;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public void Dispose()
    {
    }
}
