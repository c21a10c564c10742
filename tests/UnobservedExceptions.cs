using System.Collections.Concurrent;
using SafeAmqp.TestOrder;
using Xunit;

[assembly: AssemblyFixture(typeof(UnobservedExceptions))]

namespace SafeAmqp.TestOrder;

/// <summary>
/// Fails the run when a task failed and its exception was never looked at: in a user's process it would be the one
/// that an error tracker reports without a cause.
/// </summary>
public sealed class UnobservedExceptions : IDisposable
{
    private readonly ConcurrentQueue<Exception> _unobserved = new();

    public UnobservedExceptions() => TaskScheduler.UnobservedTaskException += Note;

    public void Dispose()
    {
        // A task is looked at by its finalizer, and what that one held by the next.
        for (int i = 0; i < 2; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        TaskScheduler.UnobservedTaskException -= Note;
        if (!_unobserved.IsEmpty)
        {
            throw new AggregateException(
                $"{_unobserved.Count} tasks failed, and their exceptions were not observed.", _unobserved);
        }
    }

    private void Note(object? sender, UnobservedTaskExceptionEventArgs failed)
    {
        if (!failed.Exception.InnerExceptions.All(IsInsideRabbitMqClient))
            _unobserved.Enqueue(failed.Exception);
    }

    // RabbitMQ.Client gives up a request that it could not send without a look at the request's own task, which the end
    // of the connection fails later. What its callers get has been thrown, and has a stack.
    private static bool IsInsideRabbitMqClient(Exception error) => error.StackTrace is null
        ? error.GetType().Namespace == "RabbitMQ.Client.Exceptions"
        : RunsOtherLibraries && error is ObjectDisposedException && error.StackTrace.Contains(
            "RabbitMQ.Client.Framing.Connection.MainLoop()", StringComparison.Ordinal);

    // A connection that is disposed while it is being closed does not wait for its main loop, which then fails. The
    // library waits for that loop; the programs of other libraries that the guide compares with do not.
    private static bool RunsOtherLibraries
        => AppDomain.CurrentDomain.GetAssemblies().Any(assembly => assembly.GetName().Name == "Guide");
}
