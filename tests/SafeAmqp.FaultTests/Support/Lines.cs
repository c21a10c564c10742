using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace SafeAmqp.FaultTests.Support;

/// <summary>Keeps every line of a log as a console would print it, with its exception.</summary>
internal sealed class Lines : ILoggerFactory, ILogger
{
    internal ConcurrentQueue<string> All { get; } = [];

    internal bool Has(string text) => All.Any(line => line.Contains(text, StringComparison.Ordinal));

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        => All.Enqueue(formatter(state, exception));

    public bool IsEnabled(LogLevel logLevel) => true;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public void Dispose()
    {
    }
}
