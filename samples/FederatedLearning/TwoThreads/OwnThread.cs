namespace TwoThreads;

/// <summary>Runs something on a thread of its own.</summary>
internal static class OwnThread
{
    public static Task RunAsync(string name, Action work)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            try
            {
                work();
                done.SetResult();
            }
            catch (Exception error)
            {
                done.SetException(error);
            }
        })
        { Name = name, IsBackground = true };
        thread.Start();
        return done.Task;
    }
}
