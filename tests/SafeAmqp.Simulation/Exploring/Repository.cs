namespace SafeAmqp.Simulation.Exploring;

/// <summary>Finds the repository from wherever the program runs.</summary>
internal static class Repository
{
    internal static string Root { get; } = FindRoot();

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "SafeAmqp.sln")))
                return folder.FullName;
        }
        throw new InvalidOperationException("The simulation does not run inside the repository.");
    }
}
