using System.Runtime.CompilerServices;

// One after the other: what is measured in time, or starves, is not to be disturbed.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace SafeAmqp.FaultTests.Support;

/// <summary>
/// What every test here needs: bounded waits, clients that end with the test, and figures that a reader of the run can
/// see.
/// </summary>
public abstract class FaultCase : IAsyncLifetime
{
    /// <summary>No wait in a test is longer: a test that hangs fails and says where.</summary>
    protected internal static readonly TimeSpan Limit = TimeSpan.FromSeconds(40);

    private readonly Stack<IAsyncDisposable> _owned = [];

    protected static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public virtual ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public virtual async ValueTask DisposeAsync()
    {
        while (_owned.TryPop(out IAsyncDisposable? owned))
            await owned.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Ends with the test, the newest first.</summary>
    protected T Own<T>(T item) where T : IAsyncDisposable
    {
        _owned.Push(item);
        return item;
    }

    protected async Task<AmqpTestBroker> BrokerAsync(AmqpTestBrokerOptions? options = null)
        => Own(await AmqpTestBroker.StartAsync(options, Cancelled));

    protected AmqpClient NewClient(string uri, Action<AmqpClientOptions>? configure = null)
    {
        var options = new AmqpClientOptions
        {
            Uri = uri,
            ClientName = "fault",
            ReconnectDelay = TimeSpan.FromMilliseconds(5),
            MaxReconnectDelay = TimeSpan.FromMilliseconds(200),
            ShutdownTimeout = TimeSpan.FromSeconds(2),
        };
        configure?.Invoke(options);
        return Own(new AmqpClient(options));
    }

    /// <summary>Waits for a condition, looking again and again, at most for <see cref="Limit"/>.</summary>
    protected static async Task UntilAsync(
        Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        long start = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            if (TimeProvider.System.GetElapsedTime(start) > Limit)
                Assert.Fail($"Not within {Limit.TotalSeconds} s: {what}");
            await Task.Delay(5, Cancelled);
        }
    }

    protected static Task<Exception?> EndOf(Task operation) => EndOf(new ValueTask(operation));

    /// <summary>
    /// How something ended: null when it went well. What does not end within the limit fails the test.
    /// </summary>
    protected static async Task<Exception?> EndOf(ValueTask operation)
    {
        try
        {
            await operation.AsTask().WaitAsync(Limit, CancellationToken.None);
            return null;
        }
        catch (TimeoutException)
        {
            throw new Xunit.Sdk.XunitException($"An operation did not end within {Limit.TotalSeconds} s.");
        }
        catch (Exception error)
        {
            return error;
        }
    }

    /// <summary>A number from the environment, for runs that are longer than CI's.</summary>
    protected static int Number(string variable, int otherwise)
        => int.TryParse(
            Environment.GetEnvironmentVariable(variable),
            System.Globalization.CultureInfo.InvariantCulture,
            out int number) ? number : otherwise;

    /// <summary>Shows a figure in the run's output.</summary>
    protected static void Figure(string text) => TestContext.Current.TestOutputHelper?.WriteLine(text);
}
