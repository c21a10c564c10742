using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace TestSupport;

/// <summary>The lines of a log.</summary>
public sealed class Lines : ILoggerProvider, ILoggerFactory
{
    private readonly ConcurrentQueue<string> _all = new();

    public IReadOnlyList<string> All => [.. _all];

    public bool Has(string text) => _all.Any(line => line.Contains(text, StringComparison.Ordinal));

    /// <summary>Waits until a line is there.</summary>
    public Task ShowAsync(string line) => Until.TrueAsync(() => _all.Contains(line), $"a line says \"{line}\"");

    public ILogger CreateLogger(string categoryName) => new Writer(_all);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("The lines are kept here.");

    public void Dispose()
    {
    }

    private sealed class Writer(ConcurrentQueue<string> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
            => lines.Enqueue(formatter(state, exception));
    }
}
