using Microsoft.Extensions.Logging.Abstractions;

namespace RecipeService.Analysis;

/// <summary>
/// Says in the system's own words which queue the analyses come back on. The client makes that queue when the first
/// call needs it, once per connection, and names it only in its log: this listens there.
/// </summary>
internal sealed class CallbackQueueLog(IServiceProvider services) : ILoggerProvider
{
    /// <summary>The category of the client's lines.</summary>
    public const string Category = "SafeAmqp";

    private const string QueueCreated = "ReplyQueueCreated";

    public ILogger CreateLogger(string categoryName)
        => categoryName.StartsWith(Category, StringComparison.Ordinal) ? new Listener(services) : NullLogger.Instance;

    public void Dispose()
    {
    }

    private sealed class Listener(IServiceProvider services) : ILogger
    {
        // Not in the constructor: the logger factory is made of its providers.
        private readonly Lazy<ILogger> _log = new(services.GetRequiredService<ILogger<AnalysisService>>);

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel == LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (eventId.Name == QueueCreated && state is IReadOnlyList<KeyValuePair<string, object?>> values
                && values.FirstOrDefault(value => value.Key == "Queue").Value is string queue)
                _log.Value.AiCallbackQueueCreated(queue);
        }
    }
}
