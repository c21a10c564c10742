using System.Threading.Channels;

namespace ImageServer.Server.Images;

/// <summary>Does the work on pictures, as many at once as there are cores. Others wait in their order; one that is no
/// longer wanted is passed over.</summary>
internal sealed class ConversionPool : BackgroundService
{
    private readonly Channel<Action> _jobs = Channel.CreateBounded<Action>(1024);

    /// <summary>Does some work and waits for its result.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled before it had begun.</exception>
    public async Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellationToken)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        await _jobs.Writer.WriteAsync(() => Do(work, result, cancellationToken), cancellationToken);
        return await result.Task;
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken)
        => Task.WhenAll(
            Enumerable.Range(0, Environment.ProcessorCount)
            .Select(_ => Task.Run(() => WorkAsync(stoppingToken), CancellationToken.None)));

    private async Task WorkAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var job in _jobs.Reader.ReadAllAsync(stoppingToken))
                job();
        }
        catch (OperationCanceledException)
        {
            // The host stops. Sessions ended before: nothing waits.
        }
    }

    private static void Do<T>(Func<T> work, TaskCompletionSource<T> result, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            result.SetCanceled(cancellationToken);
            return;
        }

        try
        {
            result.SetResult(work());
        }
        catch (Exception error)
        {
            result.SetException(error); // to whom it belongs: a worker of the pool lives on
        }
    }
}
